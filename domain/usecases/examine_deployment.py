"""Examine a deployment before it takes money: the provider, the ledger and the cache."""

import attrs

from domain.changes.changes import Change
from domain.ports.cache import CacheUnavailable
from domain.ports.deployment import Endpoints, Schema
from domain.ports.inbox import Backlogs
from domain.ports.ledger import Ledger, LedgerKeyRefused, LedgerUnavailable
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.upkeep.diagnosis import Diagnosis, Verdict, diagnose_endpoints, diagnose_schema
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.selling.examine_portal import PortalExaminer

MAX_NAMED = 5

TOLERATED_SECONDS = 60
"""How far behind the ledger the cache may be. The worker refreshes it every second."""


@attrs.frozen(kw_only=True)
class DeploymentExaminer:
    """Examines what a deployment depends on; something unreachable is a finding, not an error."""

    provider: Endpoints
    database: Schema
    ledger: Ledger
    auditor: CacheAuditor
    backlogs: Backlogs
    portal: PortalExaminer
    livemode: bool
    wanted_url: str
    """The URL at which the service receives webhooks."""
    wanted_events: frozenset[str]
    wanted_migrations: tuple[str, ...]

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return every finding, good or bad."""
        return (*await self._provider(), *await self.portal.examine(), *await self._ledger(), *await self._cache())

    async def _provider(self) -> tuple[Diagnosis, ...]:
        try:
            endpoints = await self.provider.endpoints()
        except PaymentsUnavailable as unavailable:
            remedy = "Check STRIPE_SECRET_KEY and the network."
            return (Diagnosis("Stripe", Verdict.BAD, f"not reachable: {unavailable.cause}", remedy),)
        except PaymentsRefused as refused:
            remedy = "Let the restricted key read webhook endpoints, or check them yourself in the Dashboard."
            return (Diagnosis("Stripe", Verdict.DOUBTFUL, f"cannot list endpoints: {refused.cause}", remedy),)
        return (
            Diagnosis("Stripe", Verdict.GOOD, "accepted"),
            *diagnose_endpoints(
                endpoints,
                wanted_url=self.wanted_url,
                livemode=self.livemode,
                wanted_events=self.wanted_events,
            ),
        )

    async def _ledger(self) -> tuple[Diagnosis, ...]:
        try:
            kind = await self.database.connection_kind()
            facts = await self.database.schema()
            backlog = await self.backlogs.backlog()
        except LedgerUnavailable as unavailable:
            remedy = "Check SUPABASE_URL and its key; run `credence migrate` if the schema is older than this version."
            if isinstance(unavailable, LedgerKeyRefused):
                remedy = unavailable.remedy
            return (Diagnosis("ledger", Verdict.BAD, f"query failed: {unavailable.cause}", remedy),)
        waiting, failed = sum(backlog.events.values()), backlog.messages_failed
        return (
            Diagnosis("ledger", Verdict.GOOD, f"reachable as {facts.role}, by {kind}"),
            await self._writes(),
            *diagnose_schema(facts, wanted_migrations=self.wanted_migrations),
            Diagnosis("inbox", Verdict.DOUBTFUL, f"{waiting} events pending", "See `credence parked`.")
            if waiting
            else Diagnosis("inbox", Verdict.GOOD, "nothing pending"),
            Diagnosis("outbox", Verdict.DOUBTFUL, f"{failed} messages failed", "See `credence outbox`.")
            if failed
            else Diagnosis("outbox", Verdict.GOOD, "no failed messages"),
            _walk(backlog.cache_behind_seconds),
        )

    async def _writes(self) -> Diagnosis:
        try:
            await self.ledger.commit([Change()])
        except LedgerUnavailable as refused:
            remedy = "Until that is mended every payment is answered 503, and Stripe delivers it again."
            return Diagnosis("writing", Verdict.BAD, f"the ledger takes no writes: {refused.cause}", remedy)
        return Diagnosis("writing", Verdict.GOOD, "the ledger takes writes")

    async def _cache(self) -> tuple[Diagnosis, ...]:
        try:
            await self.auditor.cache.check()
            found = await self.auditor.disagreements()
        except CacheUnavailable as unavailable:
            seen, remedy = f"not usable: {unavailable.cause}", "Until it is, the ledger answers; check its address."
            return (Diagnosis("Redis", Verdict.BAD, seen, remedy),)
        except LedgerUnavailable:
            return ()  # reported already
        reachable = Diagnosis("Redis", Verdict.GOOD, "reachable, and accepts writes")
        if not found:
            return reachable, Diagnosis("Redis and ledger", Verdict.GOOD, "match; Redis is never ahead")
        ahead = [one.user_id for one in found if one.problem != "cache_is_behind"]
        seen = f"{len(found)} accounts differ" + (f", {len(ahead)} of them not just by delay" if ahead else "")
        verdict = Verdict.BAD if ahead else Verdict.DOUBTFUL
        named = ", ".join((ahead or [one.user_id for one in found])[:MAX_NAMED])
        return reachable, Diagnosis("Redis and ledger", verdict, f"{seen}: {named}", "Run `credence sync --all`.")


def _walk(behind_seconds: int) -> Diagnosis:
    if behind_seconds < TOLERATED_SECONDS:
        return Diagnosis("cache refresh", Verdict.GOOD, "the cache follows the ledger")
    seen, remedy = f"the cache is {behind_seconds} s behind the ledger", "See that a worker runs, and reaches Redis."
    return Diagnosis("cache refresh", Verdict.DOUBTFUL, seen, remedy)
