"""Examine a deployment: the provider, the ledger and the cache, before money comes."""

import attrs

from domain.ports.cache import CacheUnavailable
from domain.ports.deployment import Endpoints, Schema
from domain.ports.inbox import Backlogs
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.upkeep.diagnosis import Diagnosis, Verdict, diagnose_endpoints, diagnose_schema
from domain.usecases.audit_cache import CacheAuditor

MAX_NAMED = 5


@attrs.frozen(kw_only=True)
class DeploymentExaminer:
    """Examines what a deployment depends on; what can't be reached is a finding too, never an error."""

    provider: Endpoints
    database: Schema
    auditor: CacheAuditor
    backlogs: Backlogs
    livemode: bool
    wanted_url: str
    """The address at which the service takes webhooks."""
    wanted_events: frozenset[str]
    wanted_migrations: tuple[str, ...]

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return everything that was looked at, the good and the bad."""
        return (*await self._provider(), *await self._ledger(), *await self._cache())

    async def _provider(self) -> tuple[Diagnosis, ...]:
        try:
            endpoints = await self.provider.endpoints()
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
                wanted_url=self.wanted_url,
                livemode=self.livemode,
                wanted_events=self.wanted_events,
            ),
        )

    async def _ledger(self) -> tuple[Diagnosis, ...]:
        try:
            facts = await self.database.schema()
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
