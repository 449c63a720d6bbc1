"""`credence doctor`: looks at a deployment before money does."""

import attrs

from domain.ports.cache import CacheUnavailable
from domain.ports.deployment import Endpoints, Schema
from domain.ports.inbox import Backlogs
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.upkeep.diagnosis import (
    Diagnosis,
    SchemaFacts,
    Verdict,
    WebhookEndpoint,
    diagnose_endpoints,
    diagnose_schema,
)
from domain.usecases.audit_cache import CacheAuditor
from entrypoints.settings.settings import Settings

MAX_NAMED = 5


@attrs.frozen(kw_only=True)
class Doctor:
    """Examines one deployment; what can't be reached is a finding too, never an error."""

    settings: Settings
    provider: Endpoints
    database: Schema
    auditor: CacheAuditor
    backlogs: Backlogs
    wanted_events: frozenset[str]
    wanted_migrations: tuple[str, ...]

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Everything that was looked at, the good and the bad."""
        return (
            *diagnose_settings(self.settings),
            *await self._stripe(),
            *await self._ledger(),
            *await self._cache(),
        )

    async def _stripe(self) -> tuple[Diagnosis, ...]:
        try:
            endpoints: tuple[WebhookEndpoint, ...] = await self.provider.endpoints()
        except PaymentsUnavailable as unavailable:
            remedy = "Check STRIPE_SECRET_KEY and the network."
            return (Diagnosis("Stripe", Verdict.BAD, f"not reachable: {unavailable.cause}", remedy),)
        except PaymentsRefused as refused:
            remedy = "A restricted key needs the permission to read webhook endpoints; give it, or look there yourself."
            return (Diagnosis("Stripe", Verdict.DOUBTFUL, f"endpoints can't be listed: {refused.cause}", remedy),)
        return (
            Diagnosis("Stripe", Verdict.GOOD, "the key is accepted"),
            *diagnose_endpoints(
                endpoints,
                wanted_url=f"{self.settings.public_url}/webhooks/stripe",
                livemode=self.settings.livemode,
                wanted_events=self.wanted_events,
            ),
        )

    async def _ledger(self) -> tuple[Diagnosis, ...]:
        try:
            facts: SchemaFacts = await self.database.schema()
            backlog = await self.backlogs.backlog()
        except LedgerUnavailable as unavailable:
            remedy = "Check SUPABASE_URL and its key; run `credence migrate` if the schema is older than this version."
            return (Diagnosis("ledger", Verdict.BAD, f"can't be asked: {unavailable.cause}", remedy),)
        waiting, failed = sum(backlog.events.values()), backlog.messages_failed
        return (
            Diagnosis("ledger", Verdict.GOOD, f"reachable as {facts.role}"),
            *diagnose_schema(facts, wanted_migrations=self.wanted_migrations),
            Diagnosis("inbox", Verdict.DOUBTFUL, f"{waiting} events wait", "See `credence parked`.")
            if waiting
            else Diagnosis("inbox", Verdict.GOOD, "nothing waits"),
            Diagnosis("outbox", Verdict.DOUBTFUL, f"{failed} messages were given up", "See `credence outbox`.")
            if failed
            else Diagnosis("outbox", Verdict.GOOD, "nothing was given up"),
        )

    async def _cache(self) -> tuple[Diagnosis, ...]:
        try:
            found = await self.auditor.disagreements()
        except CacheUnavailable as unavailable:
            return (Diagnosis("Redis", Verdict.BAD, f"not reachable: {unavailable.cause}", "Check its address."),)
        except LedgerUnavailable:
            return ()  # told already
        reachable = Diagnosis("Redis", Verdict.GOOD, "reachable")
        if not found:
            return reachable, Diagnosis("Redis and ledger", Verdict.GOOD, "agree; Redis is not ahead")
        ahead = [one.user_id for one in found if one.problem != "cache_is_behind"]
        seen = f"{len(found)} accounts disagree" + (f", {len(ahead)} of them not by mere delay" if ahead else "")
        verdict = Verdict.BAD if ahead else Verdict.DOUBTFUL
        named = ", ".join((ahead or [one.user_id for one in found])[:MAX_NAMED])
        return reachable, Diagnosis("Redis and ledger", verdict, f"{seen}: {named}", "Run `credence sync --all`.")


def diagnose_settings(settings: Settings) -> tuple[Diagnosis, ...]:
    """What the settings alone tell."""
    mode = "live" if settings.livemode else "test"
    found = [Diagnosis("Stripe key", Verdict.GOOD, f"{mode} mode")]
    if not settings.public_url.startswith("https://"):
        seen = f"the service is at {settings.public_url}"
        remedy = "Stripe delivers live events to https:// alone; set CREDENCE_PUBLIC_URL."
        found.append(Diagnosis("public address", Verdict.DOUBTFUL, seen, remedy))
    if not settings.operator_keys:
        remedy = "Set CREDENCE_OPERATOR_KEY to reach /ops."
        found.append(Diagnosis("operator key", Verdict.DOUBTFUL, "not set: /ops is closed", remedy))
    if not settings.service_keys:
        remedy = "Set CREDENCE_SERVICE_KEY for your backend."
        found.append(Diagnosis("service key", Verdict.DOUBTFUL, "not set: no backend can ask for quotas", remedy))
    if settings.plans is None:
        verdict = Verdict.BAD if settings.livemode else Verdict.DOUBTFUL
        seen = "the packaged example is for sale"
        found.append(Diagnosis("catalogue", verdict, seen, "Set CREDENCE_PLANS to a catalogue of your own."))
    if not settings.can_sign_users_in:
        remedy = (
            "Set SUPABASE_URL or SUPABASE_JWKS_URL, SUPABASE_JWT_SECRET where the project signs with a shared secret, "
            "or CREDENCE_GATEWAY_SECRET for a gateway of your own."
        )
        verdict = Verdict.BAD if settings.livemode else Verdict.DOUBTFUL
        found.append(Diagnosis("signing in", verdict, "nobody can sign in, so nobody can buy", remedy))
    if settings.embedded_storage or settings.embedded_cache:
        seen = "embedded, for development"
        found.append(Diagnosis("storage", Verdict.DOUBTFUL, seen, "Set SUPABASE_URL and REDIS_URL in production."))
    return tuple(found)
