"""Record what was told of a payment: read what the ledger knows, decide, commit once.

Nothing is marked as done before the ledger has it; the cache is brought up to date last, and may fail.
"""

import contextlib

import attrs

from domain.accounts import Account, UserId
from domain.commits import Change, Committed, Conflict, Duplicate, EventStatus, Rejected
from domain.events import Delivery, InboxEvent, Sale, Told
from domain.plans import Catalogue
from domain.ports import CacheUnavailable, Ledger, LedgerUnavailable, QuotaCache, SessionMarkers
from domain.recording import decide, user_told

MAX_ATTEMPTS = 20
"""Decisions tried against a ledger that keeps moving on before the teller is asked to come again."""


@attrs.frozen(kw_only=True)
class Recorded:
    """What became of a telling."""

    status: EventStatus
    reason: str | None = None
    user_id: UserId | None = None
    session_id: str | None = None
    duplicate: bool = False
    """Whether this very event had been recorded before."""


@attrs.frozen
class CommitRejected(Exception):
    """The ledger's guards refused a decision: a fault of ours, to be seen in the log and told again."""

    reason: str


@attrs.frozen(kw_only=True)
class PaymentRecorder:
    """Records tellings, whoever brings them: webhook or return page."""

    ledger: Ledger
    cache: QuotaCache
    markers: SessionMarkers
    catalogue: Catalogue
    livemode: bool

    async def receive(self, delivery: Delivery) -> Recorded:
        """Record one webhook delivery.

        :raises LedgerUnavailable: if it could not be stored; the delivery must be repeated.
        :raises CommitRejected: if the ledger refuses what was decided; likewise.
        """
        event = delivery.event
        session_id = event.session_id
        if session_id is None:
            return await self.record(event, delivery.told)
        if await self._is_processed(session_id, event.id):
            return Recorded(
                status=EventStatus.NOTHING_NEW,
                session_id=session_id,
                user_id=user_told(delivery.told),
                duplicate=True,
            )
        with contextlib.suppress(CacheUnavailable):
            await self.markers.begin(session_id)
        committed = None
        try:
            recorded = await self.record(event, delivery.told)
            if recorded.status.is_final:
                committed = event.id
            return recorded
        finally:
            with contextlib.suppress(CacheUnavailable):
                await self.markers.finish(session_id, committed)

    async def record(self, event: InboxEvent | None, told: Told) -> Recorded:
        """Record a telling; `event` is the inbox event behind it, if it came by one.

        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger refuses what was decided.
        """
        session_id = told.session_id if isinstance(told, Sale) else None
        user_id = user_told(told)
        for _ in range(MAX_ATTEMPTS):
            snapshot = await self.ledger.read(
                event_id=event.id if event else None,
                user_id=user_id,
                links=told.links if isinstance(told, Sale) else frozenset(),
            )
            decision = decide(event, told, snapshot, self.catalogue, livemode=self.livemode)
            owner = decision.order.user_id if decision.order else user_id
            recorded = Recorded(status=decision.status, reason=decision.reason, user_id=owner, session_id=session_id)
            if decision.change == Change():
                await self._refresh((snapshot.account,) if snapshot.account else ())
                return recorded
            (result,) = await self.ledger.commit((decision.change,))
            match result:
                case Committed(accounts=accounts):
                    await self._refresh(accounts or ((snapshot.account,) if snapshot.account else ()))
                    return recorded
                case Duplicate(accounts=accounts):
                    await self._refresh(accounts)
                    return attrs.evolve(recorded, status=EventStatus.NOTHING_NEW, reason=None, duplicate=True)
                case Conflict():
                    continue
                case Rejected(reason):
                    raise CommitRejected(reason)
        raise LedgerUnavailable(f"the purchase kept changing through {MAX_ATTEMPTS} decisions")

    async def _refresh(self, accounts: tuple[Account, ...]) -> None:
        # The commit's outbox holds the same refresh, so a cache that is away now learns of it later.
        with contextlib.suppress(CacheUnavailable):
            for account in accounts:
                await self.cache.store(account)

    async def _is_processed(self, session_id: str, event_id: str) -> bool:
        try:
            return await self.markers.is_processed(session_id, event_id)
        except CacheUnavailable:
            return False
