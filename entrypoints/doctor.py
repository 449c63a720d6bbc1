"""`credence doctor`: checks a deployment before it takes money."""

import attrs

from domain.upkeep.diagnosis import Diagnosis, Verdict
from domain.usecases.examine_deployment import DeploymentExaminer
from entrypoints.auth.jwks import Jwks
from entrypoints.settings.settings import Settings


@attrs.frozen(kw_only=True)
class Doctor:
    """Checks the settings, and the deployment that they describe."""

    settings: Settings
    examiner: DeploymentExaminer
    jwks: Jwks | None
    """Where the keys of access tokens are published, if anywhere."""

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return every finding, good or bad."""
        keys = await self._keys(self.jwks) if self.jwks is not None else ()
        return (*diagnose_settings(self.settings), *keys, *await self.examiner.examine())

    async def _keys(self, jwks: Jwks) -> tuple[Diagnosis, ...]:
        subject, trouble = "access-token keys", await jwks.trouble()
        if trouble is None:
            return (Diagnosis(subject, Verdict.GOOD, f"fetched from {jwks.address}"),)
        is_the_only_way = not (self.settings.supabase_jwt_secret or self.settings.gateway_secrets)
        setting = "SUPABASE_JWKS_URL" if self.settings.supabase_jwks_url else "SUPABASE_URL"
        remedy = f"Check {setting} and the network; set SUPABASE_JWT_SECRET if the project signs with a shared secret."
        verdict = Verdict.BAD if is_the_only_way else Verdict.DOUBTFUL
        return (Diagnosis(subject, verdict, f"cannot be fetched from {jwks.address}: {trouble}", remedy),)


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
        ledger = ("Postgres", "SUPABASE_URL") if settings.embedded_storage else None
        cache = ("Redis", "REDIS_URL") if settings.embedded_cache else None
        parts, names = zip(*[one for one in (ledger, cache) if one], strict=True)
        seen = f"{' and '.join(parts)} embedded, for development"
        found.append(Diagnosis("storage", Verdict.DOUBTFUL, seen, f"Set {' and '.join(names)} in production."))
    return tuple(found)
