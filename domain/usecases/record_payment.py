"""Record a report of a payment in five steps: prepare, read, complete, decide, commit.

`prepare` says what to read from the ledger, and `complete` asks the provider for what neither report nor ledger says.
One commit writes everything; on a conflict the steps are repeated.

Nothing is marked as done before the ledger has stored it, and only the ledger answers. The cache is updated last, and
may fail.
"""

import contextlib
from datetime import datetime

import attrs

from domain.changes.changes import Change, Committed, Conflict, Duplicate, Rejected, Snapshot, SnapshotQuery
from domain.changes.inbox import EventDecision, EventStatus
from domain.decisions.payments import decide
from domain.decisions.purchase_changes import Decision
from domain.decisions.reports import claimed_user, ledger_links, named_by_subscription
from domain.payments.reports import Delivery, InboxEvent, Irrelevant, ProviderReport, SaleReport, SubscriptionReport
from domain.ports.cache import CacheUnavailable, QuotaCache, SessionMarkers
from domain.ports.ledger import Ledger, LedgerUnavailable
from domain.ports.payment_provider import Identity, Payments
from domain.usecases.completion import with_asked_prices, with_what_is_missing
from domain.usecases.recorded import Recorded, recorded_of
from domain.values.accounts import Account
from domain.values.plans import MAX_GRACE, Catalogue

MAX_ATTEMPTS = 20
"""The maximum number of decisions under repeated conflicts, before the event is left to the worker."""


@attrs.frozen
class CommitRejected(Exception):
    """The ledger rejected a decision: our bug, or a constraint of the project. The delivery must be repeated."""

    reason: str


@attrs.frozen(kw_only=True)
class _Case:
    """A report with everything that a decision about it needs."""

    kept: EventDecision | None
    report: ProviderReport
    named: ProviderReport
    """The report, with its subscription's owner and plan, and with prices."""
    snapshot: Snapshot


@attrs.frozen(kw_only=True)
class PaymentRecorder:
    """Records reports from every source: webhook, return page, worker, reconciler or operator."""

    ledger: Ledger
    cache: QuotaCache
    markers: SessionMarkers
    payments: Payments
    catalogue: Catalogue
    livemode: bool
    identity: Identity | None = None
    """Our own account, needed for events that name an account; without it, they count as another account's."""
    notify_below: int | None = None
    """The low-balance threshold for accounts without one of their own; None for no notices."""

    async def receive(self, delivery: Delivery) -> Recorded:
        """Record one webhook delivery.

        :raises LedgerUnavailable: if it could not be stored; the delivery must be repeated.
        :raises CommitRejected: if the ledger rejects the decision; likewise.
        """
        event = delivery.event
        session_id = event.session_id
        if session_id is None:
            return await self.record(event, delivery.report)
        if await self._is_recorded(session_id, event.id):
            user = claimed_user(delivery.report)
            return Recorded(status=EventStatus.NOTHING_NEW, session_id=session_id, user_id=user, duplicate=True)
        with contextlib.suppress(CacheUnavailable):
            await self.markers.begin(session_id)
        committed = None
        try:
            recorded = await self.record(event, delivery.report)
            if recorded.status.is_final:
                committed = event.id
            return recorded
        finally:
            with contextlib.suppress(CacheUnavailable):
                await self.markers.finish(session_id, committed)

    async def record(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Record a report; `event` is the inbox event that brought it, if any.

        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger rejects the decision.
        """
        return await self._record(_received(event), report)

    async def record_once_more(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Record a report, and decide its event again even if its status is final; raises as `record`."""
        return await self._record(_received(event, again=True), report)

    async def _record(self, kept: EventDecision | None, report: ProviderReport) -> Recorded:
        for _ in range(MAX_ATTEMPTS):
            snapshot = await self.ledger.read(_prepare(kept, report))
            case = await self._complete(kept, report, snapshot)
            decision = await self._decide(case)
            recorded = await self._commit(case, decision)
            if recorded is not None:
                return recorded
            report = case.report
        return await self._leave_to_worker(kept)

    async def assess(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Return what recording the report would come to; nothing is written.

        :raises LedgerUnavailable: if the ledger could not be read.
        """
        kept = _received(event)
        case = await self._complete(kept, report, await self.ledger.read(_prepare(kept, report)))
        return recorded_of(case.report, await self._decide(case), case.snapshot)

    async def _complete(self, kept: EventDecision | None, report: ProviderReport, snapshot: Snapshot) -> _Case:
        """Ask the provider for what is missing, unless the event is final, and read again if that names more."""
        is_settled = _is_final(snapshot) and not _is_again(kept)
        if not is_settled:
            asked = await with_what_is_missing(report, snapshot, self.payments, self.catalogue)
            if asked != report:
                report, snapshot = asked, await self.ledger.read(_prepare(kept, asked))
        named = named_by_subscription(report, snapshot.subscription) if isinstance(report, SaleReport) else report
        if claimed_user(named) != claimed_user(report):
            snapshot = await self.ledger.read(_prepare(kept, named))
        if isinstance(named, SaleReport) and not is_settled:
            named = await with_asked_prices(named, snapshot, self.payments, self.catalogue)
        return _Case(kept=kept, report=report, named=named, snapshot=snapshot)

    async def _decide(self, case: _Case) -> Decision:
        own_account = await self._own_account(case.kept, case.named)
        return decide(
            case.kept, case.named, case.snapshot, self.catalogue, livemode=self.livemode, own_account=own_account
        )

    async def _commit(self, case: _Case, decision: Decision) -> Recorded | None:
        """Commit the decision and update the cache; return None on a conflict."""
        recorded = recorded_of(case.report, decision, case.snapshot)
        known = (case.snapshot.account,) if case.snapshot.account else ()
        # A final event without any new effect stays as it is.
        stays = _is_final(case.snapshot) and decision.status is EventStatus.NOTHING_NEW and _is_again(case.kept)
        if decision.change == Change() or stays:
            await self._refresh(known)
            return recorded
        (result,) = await self.ledger.commit((attrs.evolve(decision.change, notify_below=self.notify_below),))
        match result:
            case Committed(accounts=accounts):
                await self._refresh(accounts or known)
                return recorded
            case Duplicate(accounts=accounts):
                await self._refresh(accounts)
                return attrs.evolve(recorded, status=EventStatus.NOTHING_NEW, reason=None, credits=0, duplicate=True)
            case Conflict():
                return None
            case Rejected(reason):
                raise CommitRejected(reason)

    async def _own_account(self, kept: EventDecision | None, report: ProviderReport) -> str | None:
        if self.identity is None or kept is None or kept.event.account is None or isinstance(report, Irrelevant):
            return None
        return await self.identity.account_id()

    async def _leave_to_worker(self, kept: EventDecision | None) -> Recorded:
        reason = f"the purchase kept changing through {MAX_ATTEMPTS} decisions"
        if kept is not None:
            session_id = kept.event.session_id
            waits = EventDecision(event=kept.event, status=EventStatus.RECEIVED, reason=reason)
            (result,) = await self.ledger.commit((Change(event=waits),))
            if isinstance(result, Committed):
                return Recorded(status=EventStatus.RECEIVED, reason=reason, session_id=session_id)
            if isinstance(result, Duplicate):  # Another delivery of it was committed meanwhile.
                return Recorded(status=EventStatus.NOTHING_NEW, session_id=session_id, duplicate=True)
        raise LedgerUnavailable(reason)

    async def _refresh(self, accounts: tuple[Account, ...]) -> None:
        # The worker walks what changed, so an unreachable cache gets it later.
        with contextlib.suppress(CacheUnavailable):
            for account in accounts:
                await self.cache.store(account)

    async def _is_recorded(self, session_id: str, event_id: str) -> bool:
        """Return whether the ledger has decided the event. A mark alone may stand for what a restored ledger lost."""
        with contextlib.suppress(CacheUnavailable):
            if await self.markers.is_processed(session_id, event_id):
                return _is_final(await self.ledger.read(SnapshotQuery(event_id=event_id)))
        return False


def _received(event: InboxEvent | None, *, again: bool = False) -> EventDecision | None:
    return EventDecision(event=event, status=EventStatus.RECEIVED, again=again) if event is not None else None


def _is_again(kept: EventDecision | None) -> bool:
    return kept is not None and kept.again


def _is_final(snapshot: Snapshot) -> bool:
    return snapshot.event_status is not None and snapshot.event_status.is_final


def _prepare(kept: EventDecision | None, report: ProviderReport) -> SnapshotQuery:
    """Return the query for everything that a decision about the report needs."""
    return SnapshotQuery(
        event_id=kept.event.id if kept else None,
        user_id=claimed_user(report),
        links=ledger_links(report),
        subscription_id=report.subscription_id if isinstance(report, SaleReport | SubscriptionReport) else None,
        periods_since=_periods_since(report),
        claims=isinstance(report, SaleReport) and any(line.amount == 0 for line in report.lines or ()),
        price_ids=_prices_of(report),
    )


def _periods_since(report: ProviderReport) -> datetime | None:
    """Return the earliest time in the report that may change the worth of the subscription's invoices."""
    match report:
        case SaleReport(lines=lines) if lines:
            # Credits that expired shortly before may be extended by this payment.
            return min(line.starts_at for line in lines) - MAX_GRACE
        case SubscriptionReport(occurred_at=occurred_at):
            return occurred_at - MAX_GRACE
        case _:
            return None


def _prices_of(report: ProviderReport) -> frozenset[str]:
    lines = report.lines or () if isinstance(report, SaleReport) else ()
    return frozenset(line.price.id for line in lines if line.price.id is not None)
