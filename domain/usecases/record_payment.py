"""Record what was told of a payment: read what the ledger knows, decide, commit once.

Nothing is marked as done before the ledger has it; the cache is brought up to date last, and may fail.
"""

import contextlib
from datetime import UTC, datetime

import attrs

from domain.changes.changes import (
    Change,
    Committed,
    Conflict,
    Duplicate,
    EventDecision,
    EventStatus,
    Rejected,
    Snapshot,
)
from domain.decisions.payments import (
    NOT_OURS,
    Decision,
    claimed_user,
    decide,
    ledger_links,
    line_terms,
    named_by_subscription,
    stands,
)
from domain.payments.admission import item_prices_to_ask, needs_items
from domain.payments.carts import with_item_prices
from domain.payments.line_plans import prices_to_ask, with_prices
from domain.payments.purchases import Purchase
from domain.payments.reports import (
    Delivery,
    InboxEvent,
    Irrelevant,
    PaymentReport,
    ProviderReport,
    SaleReport,
    SubscriptionReport,
)
from domain.payments.subscriptions import Subscriber, Subscription, SubscriptionId, SubscriptionState
from domain.ports import (
    CacheUnavailable,
    Identity,
    Ledger,
    LedgerUnavailable,
    Payments,
    PaymentsUnavailable,
    QuotaCache,
    SessionMarkers,
)
from domain.values.accounts import Account, UserId
from domain.values.plans import MAX_GRACE, Catalogue

MAX_ATTEMPTS = 20
"""Decisions tried against a ledger that keeps moving on before the event is left to the worker."""


@attrs.frozen(kw_only=True)
class Recorded:
    """What became of a telling."""

    status: EventStatus
    reason: str | None = None
    user_id: UserId | None = None
    session_id: str | None = None
    purchase_id: str | None = None
    credits: int = 0
    """By how much balances changed."""
    duplicate: bool = False
    """Whether this very event had been recorded before."""
    is_news: bool = True
    """Whether it says more of what was recorded before than which charge paid, and when exactly."""


@attrs.frozen
class CommitRejected(Exception):
    """The ledger's guards refused a decision: a fault of ours, to be seen in the log and told again."""

    reason: str


@attrs.frozen(kw_only=True)
class PaymentRecorder:
    """Records tellings, whoever brings them: webhook, return page, worker, reconciler or operator."""

    ledger: Ledger
    cache: QuotaCache
    markers: SessionMarkers
    payments: Payments
    catalogue: Catalogue
    livemode: bool
    identity: Identity | None = None
    """Who we are, asked of events that name an account; without it these are of connected accounts."""
    notify_below: int | None = None
    """The threshold of a low balance, for accounts that have none of their own."""

    async def receive(self, delivery: Delivery) -> Recorded:
        """Record one webhook delivery.

        :raises LedgerUnavailable: if it could not be stored; the delivery must be repeated.
        :raises CommitRejected: if the ledger refuses what was decided; likewise.
        """
        event = delivery.event
        session_id = event.session_id
        if session_id is None:
            return await self.record(event, delivery.report)
        if await self._is_processed(session_id, event.id):
            return Recorded(
                status=EventStatus.NOTHING_NEW,
                session_id=session_id,
                user_id=claimed_user(delivery.report),
                duplicate=True,
            )
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

    async def record(self, event: InboxEvent | None, report: ProviderReport, *, again: bool = False) -> Recorded:
        """Record a telling; `event` is the inbox event behind it, if it came by one.

        `again` decides an event once more that was final.

        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger refuses what was decided.
        """
        for _ in range(MAX_ATTEMPTS):
            report, snapshot, decision = await self._decide(event, report, again=again)
            recorded = _recorded(report, decision, snapshot)
            was_final = snapshot.event_status is not None and snapshot.event_status.is_final
            stands = again and was_final and decision.status is EventStatus.NOTHING_NEW
            if decision.change == Change() or stands:
                await self._refresh((snapshot.account,) if snapshot.account else ())
                return recorded
            change = attrs.evolve(decision.change, notify_below=self.notify_below)
            (result,) = await self.ledger.commit((change,))
            match result:
                case Committed(accounts=accounts):
                    await self._refresh(accounts or ((snapshot.account,) if snapshot.account else ()))
                    return recorded
                case Duplicate(accounts=accounts):
                    await self._refresh(accounts)
                    return attrs.evolve(
                        recorded, status=EventStatus.NOTHING_NEW, reason=None, credits=0, duplicate=True
                    )
                case Conflict():
                    continue
                case Rejected(reason):
                    raise CommitRejected(reason)
        return await self._leave_to_worker(event)

    async def assess(self, event: InboxEvent | None, report: ProviderReport) -> Recorded:
        """What recording the telling would come to; nothing is written.

        :raises LedgerUnavailable: if the ledger could not be read.
        """
        report, snapshot, decision = await self._decide(event, report, again=False)
        return _recorded(report, decision, snapshot)

    async def _decide(
        self, event: InboxEvent | None, report: ProviderReport, *, again: bool
    ) -> tuple[ProviderReport, Snapshot, Decision]:
        snapshot = await self._read(event, report)
        is_settled = snapshot.event_status is not None and snapshot.event_status.is_final and not again
        if not is_settled:
            asked = await self._asked(report, snapshot)
            if asked != report:
                report, snapshot = asked, await self._read(event, asked)
        named = named_by_subscription(report, snapshot.subscription) if isinstance(report, SaleReport) else report
        if claimed_user(named) != claimed_user(report):
            snapshot = await self._read(event, named)
        if isinstance(named, SaleReport) and not is_settled:
            named = await self._with_prices(named, snapshot)
        decision = decide(
            event,
            named,
            snapshot,
            self.catalogue,
            livemode=self.livemode,
            own_account=await self._own_account(event, named),
            again=again,
        )
        return report, snapshot, decision

    async def _own_account(self, event: InboxEvent | None, report: ProviderReport) -> str | None:
        if self.identity is None or event is None or event.account is None or isinstance(report, Irrelevant):
            return None
        return await self.identity.account_id()

    async def _read(self, event: InboxEvent | None, report: ProviderReport) -> Snapshot:
        return await self.ledger.read(
            event_id=event.id if event else None,
            user_id=claimed_user(report),
            links=ledger_links(report),
            subscription_id=_subscription_of(report),
            periods_since=_periods_since(report),
            claims=isinstance(report, SaleReport) and any(line.amount == 0 for line in report.lines or ()),
            price_ids=_prices_of(report),
        )

    async def _with_prices(self, sale: SaleReport, snapshot: Snapshot) -> SaleReport:
        """An invoice with the prices that its lines or items need to be valued; in part, if out of reach."""
        if not (sale.lines or sale.items) or not sale.is_complete or stands(sale, snapshot):
            return sale
        if sale.lines is None:
            wanted = item_prices_to_ask(sale, self.catalogue)
        else:
            wanted = prices_to_ask(sale, line_terms(sale, snapshot, self.catalogue))
        try:
            asked = [await self.payments.price(price_id) for price_id in wanted]
        except PaymentsUnavailable:
            return attrs.evolve(sale, is_complete=False)
        prices = [price for price in asked if price is not None]
        return with_item_prices(sale, prices) if sale.lines is None else with_prices(sale, prices)

    async def _asked(self, report: ProviderReport, snapshot: Snapshot) -> ProviderReport:
        """What is told, with what the provider adds where neither telling nor ledger says whose payment it is."""
        report = self._in_part(report, snapshot)
        try:
            report = await self._in_whole(report, snapshot)
            match report:
                case PaymentReport(ours=None) if not snapshot.purchases:
                    return await self.payments.look_up(report)
                case SaleReport(attribution=attribution, subscription_id=str() as subscription_id) if (
                    attribution.is_anonymous
                    and not (snapshot.subscription and snapshot.subscription.subscription.subscriber)
                ):
                    found = await self.payments.subscription(SubscriptionId(subscription_id))
                    if found is None:
                        return report
                    if found.attribution.is_anonymous:
                        return Irrelevant(NOT_OURS)
                    return attrs.evolve(report, attribution=found.attribution, subscription_state=found.state)
                case _:
                    return report
        except PaymentsUnavailable:
            # Then facts wait on a row of their own, and a sale without a name, or told in part, is parked.
            return report

    def _in_part(self, report: ProviderReport, snapshot: Snapshot) -> ProviderReport:
        """A sale that was told without the items by which alone it can be valued, marked as told in part."""
        if not isinstance(report, SaleReport) or stands(report, snapshot):
            return report
        if not needs_items(report, self.catalogue, snapshot.account):
            return report
        return attrs.evolve(report, is_complete=False)

    async def _in_whole(self, report: ProviderReport, snapshot: Snapshot) -> ProviderReport:
        """A sale that is news, and of which only a part is told, with the rest; an operator's word on it stays."""
        if not isinstance(report, SaleReport) or report.is_complete:
            return report
        if report.lines is None:
            is_known = stands(report, snapshot)
        else:
            is_known = any(row.purchase.order for row in snapshot.purchases if row.id == report.purchase_id)
        if is_known:
            return report
        whole = await self.payments.complete_sale(report)
        if isinstance(whole, SaleReport) and report.attribution.confirmed:
            return attrs.evolve(whole, attribution=report.attribution)
        return whole

    async def _leave_to_worker(self, event: InboxEvent | None) -> Recorded:
        reason = f"the purchase kept changing through {MAX_ATTEMPTS} decisions"
        if event is not None:
            kept = EventDecision(event=event, status=EventStatus.RECEIVED, reason=reason)
            (result,) = await self.ledger.commit((Change(event=kept),))
            if isinstance(result, Committed):
                return Recorded(status=EventStatus.RECEIVED, reason=reason, session_id=event.session_id)
            if isinstance(result, Duplicate):  # another copy of it has come through meanwhile
                return Recorded(status=EventStatus.NOTHING_NEW, session_id=event.session_id, duplicate=True)
        raise LedgerUnavailable(reason)

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


def _periods_since(report: ProviderReport) -> datetime | None:
    """The earliest time of which something is told that may change what a subscription's invoices are worth."""
    match report:
        case SaleReport(lines=lines) if lines:
            # What ended a little before may have been waiting for this payment.
            return min(line.starts_at for line in lines) - MAX_GRACE
        case SubscriptionReport(occurred_at=occurred_at):
            return occurred_at - MAX_GRACE
        case _:
            return None


def _prices_of(report: ProviderReport) -> frozenset[str]:
    lines = report.lines or () if isinstance(report, SaleReport) else ()
    return frozenset(line.price.id for line in lines if line.price.id is not None)


def _subscription_of(report: ProviderReport) -> SubscriptionId | None:
    return report.subscription_id if isinstance(report, SaleReport | SubscriptionReport) else None


def _recorded(report: ProviderReport, decision: Decision, snapshot: Snapshot) -> Recorded:
    revision = decision.change.revision
    postings = decision.change.postings
    return Recorded(
        status=decision.status,
        reason=decision.reason,
        user_id=decision.order.user_id if decision.order else claimed_user(report),
        session_id=report.session_id if isinstance(report, SaleReport | SubscriptionReport) else None,
        purchase_id=revision.id if revision else None,
        credits=sum(posting.amount for posting in postings),
        is_news=_is_news(decision, snapshot),
    )


def _is_news(decision: Decision, snapshot: Snapshot) -> bool:
    revision, subscription = decision.change.revision, decision.change.subscription
    if revision is None and subscription is not None and not decision.change.ends:
        recorded = snapshot.subscription.subscription if snapshot.subscription else None
        return recorded is None or _without_time(recorded) != _without_time(subscription.subscription)
    if revision is None or decision.change.postings or revision.absorbed:
        return True
    known = next((row.purchase for row in snapshot.purchases if row.id == revision.id), None)
    return known is None or _without_charge(known) != _without_charge(revision.purchase)


def _without_charge(purchase: Purchase) -> Purchase:
    links = frozenset(link for link in purchase.links if not link.startswith("charge:"))
    return attrs.evolve(purchase, links=links, paid_at=None)


def _without_time(subscription: Subscription) -> tuple[Subscriber | None, SubscriptionState | None]:
    # An object has the time at which it was asked for.
    first = datetime.min.replace(tzinfo=UTC)
    subscriber, state = subscription.subscriber, subscription.state
    return (
        attrs.evolve(subscriber, occurred_at=first) if subscriber else None,
        attrs.evolve(state, occurred_at=first) if state else None,
    )
