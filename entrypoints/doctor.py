"""`credence doctor`: checks a deployment before it takes money."""

import attrs

from domain.upkeep.diagnosis import Diagnosis, Verdict
from domain.usecases.examine_deployment import DeploymentExaminer
from entrypoints.settings.settings import Settings


@attrs.frozen(kw_only=True)
class Doctor:
    """Checks the settings, and the deployment that they describe."""

    settings: Settings
    examiner: DeploymentExaminer

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return every finding, good or bad."""
        return (*diagnose_settings(self.settings), *await self.examiner.examine())


def diagnose_settings(settings: Settings) -> tuple[Diagnosis, ...]:
    """Return the findings about the settings alone."""
    mode = "live" if settings.livemode else "test"
    found = [Diagnosis("Stripe key", Verdict.GOOD, f"{mode} mode")]
    if not settings.public_url.startswith("https://"):
        seen = f"the service is at {settings.public_url}"
        remedy = "Stripe delivers live events to https:// addresses only; set CREDENCE_PUBLIC_URL."
        found.append(Diagnosis("public address", Verdict.DOUBTFUL, seen, remedy))
    if not settings.operator_keys:
        remedy = "Set CREDENCE_OPERATOR_KEY to reach /ops."
        found.append(Diagnosis("operator key", Verdict.DOUBTFUL, "not set: /ops is closed", remedy))
    if not settings.service_keys:
        remedy = "Set CREDENCE_SERVICE_KEY for your backend."
        found.append(
            Diagnosis("service key", Verdict.DOUBTFUL, "not set: no backend can read quotas or spend credits", remedy)
        )
    if settings.plans is None:
        verdict = Verdict.BAD if settings.livemode else Verdict.DOUBTFUL
        seen = "the packaged example is for sale"
        found.append(Diagnosis("catalogue", verdict, seen, "Set CREDENCE_PLANS to a catalogue of your own."))
    if not settings.can_sign_users_in:
        remedy = (
            "Set SUPABASE_URL or SUPABASE_JWKS_URL, SUPABASE_JWT_SECRET if the project signs with a shared secret, "
            "or CREDENCE_GATEWAY_SECRET for a gateway of your own."
        )
        verdict = Verdict.BAD if settings.livemode else Verdict.DOUBTFUL
        found.append(Diagnosis("signing in", verdict, "users cannot sign in, so they cannot buy", remedy))
    if settings.embedded_storage or settings.embedded_cache:
        seen = "embedded, for development"
        found.append(Diagnosis("storage", Verdict.DOUBTFUL, seen, "Set SUPABASE_URL and REDIS_URL in production."))
    return tuple(found)
