"""Record a report of a payment in five steps: prepare, read, complete, decide, commit.

`query_for` prepares what to read from the ledger, and `_complete` asks the provider for what neither report nor ledger
says. One commit writes everything; on a conflict the steps are repeated.

Nothing is marked as done before the ledger has stored it, and only the ledger answers. The cache is updated last, and
may fail.
"""

import contextlib

import attrs

from domain.changes.changes import Change, Committed, Conflict, Duplicate, Rejected, Snapshot, SnapshotQuery
from domain.changes.inbox import EventDecision, EventStatus
from domain.decisions.payments import decide
from domain.decisions.purchase_changes import Decision
from domain.decisions.queries import query_for
from domain.decisions.reports import claimed_user, ledger_links, named_by_subscription
from domain.decisions.unread import NOTHING_KNOWN, decide_unread
from domain.payments.reports import Delivery, InboxEvent, Irrelevant, ProviderReport, SaleReport
from domain.ports.cache import CacheUnavailable, QuotaCache, SessionMarkers
from domain.ports.ledger import Ledger, LedgerUnavailable, RecentLinks
from domain.ports.payment_provider import Identity, Payments
from domain.usecases.completion import with_asked_prices, with_what_is_missing
from domain.usecases.recorded import Recorded, recorded_of
from domain.values.accounts import Account
from domain.values.plans import Catalogue

MAX_ATTEMPTS = 20
"""The maximum number of decisions on what was read, if they conflict, before the event is left to the worker."""


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


@attrs.frozen
class _Outcome:
    """The result of recording a report, and the accounts to be written to the cache."""

    recorded: Recorded
    accounts: tuple[Account, ...] = ()


@attrs.frozen(kw_only=True)
class PaymentRecorder:
    """Records reports from every source: webhook, return page, worker, reconciler or operator."""

    ledger: Ledger
    cache: QuotaCache
    markers: SessionMarkers
    payments: Payments
    catalogue: Catalogue
    livemode: bool
    recent: RecentLinks | None = None
    """Sales of which something is known are not tried as new ones; without it, the ledger refuses them."""
    identity: Identity | None = None
    """Our own account, needed for events that name an account; without it, they count as another account's."""
    notify_below: int | None = None
    """The low-balance threshold for accounts without one of their own; None for no notices."""

    async def receive(self, delivery: Delivery) -> Recorded:
        """Record one webhook delivery.

        A new sale takes one commit, decided before anything is read: the ledger refuses it if anything was known.

        :raises LedgerUnavailable: if it could not be stored; the delivery must be repeated.
        :raises CommitRejected: if the ledger rejects the decision; likewise.
        """
        event, report = delivery.event, delivery.report
        kept = EventDecision(event=event, status=EventStatus.RECEIVED)
        if event.session_id is None:
            return await self._refreshed(await self._record_unread(kept, report) or await self._record(kept, report))
        outcome = None
        try:
            outcome = await self._record_unread(kept, report) or await self._record_marked(kept, report)
            return outcome.recorded
        finally:
            is_final = outcome is not None and outcome.recorded.status.is_final
            with contextlib.suppress(CacheUnavailable):  # as in _refreshed
                await self.markers.finish(
                    event.session_id, event.id if is_final else None, outcome.accounts if outcome else ()
                )

    async def record(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Record a report; `event` is the inbox event that brought it, if any.

        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger rejects the decision.
        """
        return await self._refreshed(await self._record(_received(event), report))

    async def record_once_more(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Record a report, and decide its event again even if its status is final; raises as `record`."""
        return await self._refreshed(await self._record(_received(event, again=True), report))

    async def _record_unread(self, kept: EventDecision, report: ProviderReport) -> _Outcome | None:
        """Commit what is decided before anything is read; None if there is no such decision, or it was refused."""
        if self.recent is not None and self.recent.are_known(ledger_links(report), kept.event.id):
            return None
        decision = decide_unread(kept, report, self.catalogue, livemode=self.livemode)
        if decision is None:
            return None
        (result,) = await self.ledger.commit((attrs.evolve(decision.change, notify_below=self.notify_below),))
        match result:
            case Committed(accounts=accounts):
                return _Outcome(recorded_of(report, decision, NOTHING_KNOWN), accounts)
            case Duplicate(accounts=accounts):
                return _Outcome(_repeated(kept, report), accounts)
            case Conflict() | Rejected():
                return None

    async def _record_marked(self, kept: EventDecision, report: ProviderReport) -> _Outcome:
        """Record a report of a session in several steps, in which its mark says that it is being handled."""
        session_id, processed = str(kept.event.session_id), None
        with contextlib.suppress(CacheUnavailable):
            processed = await self.markers.begin(session_id)
        if processed == kept.event.id and _is_final(await self.ledger.read(SnapshotQuery(event_id=processed))):
            return _Outcome(_repeated(kept, report))
        return await self._record(kept, report)

    async def _record(self, kept: EventDecision | None, report: ProviderReport) -> _Outcome:
        for _ in range(MAX_ATTEMPTS):
            case = await self._read(kept, report)
            decision = await self._decide(case)
            outcome = await self._commit(case, decision)
            if outcome is not None:
                return outcome
            report = case.report
        return _Outcome(await self._leave_to_worker(kept))

    async def assess(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """Return what recording the report would come to; nothing is written.

        :raises LedgerUnavailable: if the ledger could not be read.
        """
        case = await self._read(_received(event), report)
        return recorded_of(case.report, await self._decide(case), case.snapshot)

    async def foresee(self, report: ProviderReport) -> tuple[Decision, Snapshot]:
        """Return what would be decided about the report now, and on what; raises as `assess`."""
        case = await self._read(None, report)
        return await self._decide(case), case.snapshot

    async def _read(self, kept: EventDecision | None, report: ProviderReport) -> _Case:
        return await self._complete(kept, report, await self.ledger.read(query_for(kept, report)))

    async def _complete(self, kept: EventDecision | None, report: ProviderReport, snapshot: Snapshot) -> _Case:
        """Ask the provider for what is missing, unless the event is final, and read again if that names more."""
        is_settled = _is_final(snapshot) and not _is_again(kept)
        if not is_settled:
            asked = await with_what_is_missing(report, snapshot, self.payments, self.catalogue)
            if asked != report:
                report, snapshot = asked, await self.ledger.read(query_for(kept, asked))
        named = named_by_subscription(report, snapshot.subscription) if isinstance(report, SaleReport) else report
        if claimed_user(named) != claimed_user(report):
            snapshot = await self.ledger.read(query_for(kept, named))
        if isinstance(named, SaleReport) and not is_settled:
            named = await with_asked_prices(named, snapshot, self.payments, self.catalogue)
        return _Case(kept=kept, report=report, named=named, snapshot=snapshot)

    async def _decide(self, case: _Case) -> Decision:
        own_account = await self._own_account(case.kept, case.named)
        return decide(
            case.kept, case.named, case.snapshot, self.catalogue, livemode=self.livemode, own_account=own_account
        )

    async def _commit(self, case: _Case, decision: Decision) -> _Outcome | None:
        """Commit the decision; return None on a conflict."""
        recorded = recorded_of(case.report, decision, case.snapshot)
        known = (case.snapshot.account,) if case.snapshot.account else ()
        # A final event without any new effect stays as it is.
        stays = _is_final(case.snapshot) and decision.status is EventStatus.NOTHING_NEW and _is_again(case.kept)
        if decision.change == Change() or stays:
            return _Outcome(recorded, known)
        (result,) = await self.ledger.commit((attrs.evolve(decision.change, notify_below=self.notify_below),))
        match result:
            case Committed(accounts=accounts):
                return _Outcome(recorded, accounts or known)
            case Duplicate(accounts=accounts):
                repeated = attrs.evolve(
                    recorded, status=EventStatus.NOTHING_NEW, reason=None, credits=0, duplicate=True
                )
                return _Outcome(repeated, accounts)
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

    async def _refreshed(self, outcome: _Outcome) -> Recorded:
        # The worker walks what changed, so an unreachable cache gets it later.
        with contextlib.suppress(CacheUnavailable):
            for account in outcome.accounts:
                await self.cache.store(account)
        return outcome.recorded


def _received(event: InboxEvent | None, *, again: bool = False) -> EventDecision | None:
    return EventDecision(event=event, status=EventStatus.RECEIVED, again=again) if event is not None else None


def _repeated(kept: EventDecision, report: ProviderReport) -> Recorded:
    """Return the result of a delivery that had been recorded before."""
    return Recorded(
        status=EventStatus.NOTHING_NEW,
        session_id=kept.event.session_id,
        user_id=claimed_user(report),
        duplicate=True,
    )


def _is_again(kept: EventDecision | None) -> bool:
    return kept is not None and kept.again


def _is_final(snapshot: Snapshot) -> bool:
    return snapshot.event_status is not None and snapshot.event_status.is_final
