"""Decides about one report: its change to the ledger, and the event's status."""

from datetime import timedelta

import attrs

from domain.changes.changes import AccountGuard, Change, RecordedSubscription, Snapshot, SubscriptionRevision
from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import CUSTOMER_DELETED, OutboxMessage
from domain.credits.postings import PostingOrigin
from domain.decisions.families import Family, settle_family
from domain.decisions.purchase_changes import Decision, learned, with_status, without_change
from domain.decisions.reports import claimed_user, line_terms, of_one_invoice, stands
from domain.payments.admission import (
    ParkReason,
    Refused,
    admit,
    admit_bill,
    admit_subscriber,
    origin_mismatch,
    undecided,
)
from domain.payments.carts import with_made_prices
from domain.payments.invoices import Bill, LineKind
from domain.payments.line_terms import MadePrice, Undecidable
from domain.payments.line_values import value_lines
from domain.payments.purchases import Order, Purchase
from domain.payments.reports import (
    CustomerDeleted,
    Irrelevant,
    PaymentReport,
    ProviderReport,
    SaleReport,
    SubscriptionReport,
    Unreadable,
)
from domain.payments.subscriptions import ENDED, Subscriber, Subscription, merge_subscriptions
from domain.values.plans import MAX_GRACE, Catalogue

NOT_OURS = "no metadata from Credence"
NO_PLAN = "no line of the invoice belongs to a plan"


def decide(  # noqa: PLR0911 - one for each kind of report
    kept: EventDecision | None,
    report: ProviderReport,
    snapshot: Snapshot,
    catalogue: Catalogue,
    *,
    livemode: bool,
    own_account: str | None = None,
) -> Decision:
    """Return the decision about a report, given what the ledger knows.

    The decision does not depend on the source: a webhook brings its event, as received; the return page brings none.
    `own_account` is our own Stripe account's id if known.
    """
    report, snapshot = of_one_invoice(report, snapshot)
    mismatch = origin_mismatch(kept.event, livemode=livemode, own_account=own_account) if kept is not None else None
    if mismatch is not None and not isinstance(report, Irrelevant):
        return without_change(kept, EventStatus.PARKED, mismatch)
    match report:
        case Irrelevant(reason):
            return without_change(kept, EventStatus.IGNORED, reason)
        case Unreadable(reason):
            return without_change(kept, EventStatus.PARKED, f"{ParkReason.UNREADABLE}: {reason}")
        case CustomerDeleted(customer_id):
            key, payload = f"{CUSTOMER_DELETED}:{customer_id}", {"customer_id": customer_id}
            gone = OutboxMessage(topic=CUSTOMER_DELETED, key=key, payload=payload)
            change = Change(event=with_status(kept, EventStatus.APPLIED, None), outbox=(gone,))
            return Decision(status=EventStatus.APPLIED, change=change)
        case SubscriptionReport():
            return _subscribed(kept, report, snapshot, catalogue)
        case PaymentReport():
            return _heard(kept, report, snapshot)
        case SaleReport():
            return _sold(kept, report, snapshot, catalogue)


def _sold(kept: EventDecision | None, sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue) -> Decision:
    facts = attrs.evolve(sale.facts, links=sale.links)
    guard: AccountGuard | None = None
    made: tuple[MadePrice, ...] = ()
    # A purchase that is already admitted, by a claim for example, is not checked again: catalogue and addresses change.
    if not stands(sale, snapshot):
        if not sale.is_complete:
            return without_change(kept, EventStatus.PARKED, ParkReason.INCOMPLETE_INVOICE)
        admitted: Order | Refused | None
        if sale.lines is None:
            admitted = admit(with_made_prices(sale, snapshot.made_prices), catalogue, snapshot.account)
        else:
            terms = line_terms(sale, snapshot, catalogue)
            bill = value_lines(sale, str(sale.subscription_id), terms)
            if isinstance(bill, Bill) and not bill.lines and not bill.unused:
                return without_change(kept, EventStatus.IGNORED, NO_PLAN)
            if isinstance(bill, Bill):
                facts = attrs.evolve(facts, bill=bill)
                guard = _guard_of_claims(bill, snapshot)
                made = tuple(price for price in terms.made if price not in snapshot.made_prices)
            admitted = _admitted(bill, sale, snapshot, catalogue)
        if isinstance(admitted, Refused):
            # If no payment will follow, its owner and price don't matter.
            status = EventStatus.IGNORED if sale.is_over else EventStatus.PARKED
            return without_change(kept, status, _reason(admitted, sale, snapshot))
        if admitted is not None:
            facts = attrs.evolve(facts, order=admitted)
    reach = MAX_GRACE if sale.lines else timedelta(0)
    snapshot = attrs.evolve(snapshot, subscription=_as_it_stands(sale, snapshot.subscription))
    decision = learned(kept, sale.purchase_id, facts, snapshot, session_id=sale.session_id, reach=reach)
    if decision.change.revision is None:
        return decision
    return attrs.evolve(decision, change=attrs.evolve(decision.change, account=guard, made_prices=made))


def _admitted(
    bill: Bill | Undecidable, sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue
) -> Order | Refused | None:
    """Return the invoice's order; None if the invoice only returns unused time."""
    if isinstance(bill, Undecidable):
        return undecided(bill, sale, catalogue)
    return admit_bill(sale, bill, snapshot.account) if bill.lines else None


def _guard_of_claims(bill: Bill, snapshot: Snapshot) -> AccountGuard | None:
    """Return the guard by which only one of two invoices gets a trial or free plan that an account can have once."""
    once = any(line.kind is LineKind.TRIAL or line.is_free for line in bill.lines)
    if not once or snapshot.account is None:
        return None
    return AccountGuard(user_id=snapshot.account.user_id, expected_revision=snapshot.account.revision)


def _heard(kept: EventDecision | None, news: PaymentReport, snapshot: Snapshot) -> Decision:
    if news.ours is False and not snapshot.purchases:
        return without_change(kept, EventStatus.IGNORED, NOT_OURS)
    facts = news.facts if kept is not None else _unless_known(news.facts, snapshot)
    return learned(kept, news.purchase_id, attrs.evolve(facts, links=news.links), snapshot)


def _subscribed(
    kept: EventDecision | None, news: SubscriptionReport, snapshot: Snapshot, catalogue: Catalogue
) -> Decision:
    recorded = snapshot.subscription or RecordedSubscription(
        id=news.subscription_id, revision=0, subscription=Subscription()
    )
    subscriber: Subscriber | None = None
    if news.session_id is not None or not news.attribution.is_anonymous:
        admitted = admit_subscriber(news, catalogue, snapshot.account)
        if isinstance(admitted, Subscriber):
            subscriber = admitted
        elif recorded.revision == 0 or (news.state is None and recorded.subscription.subscriber is None):
            # If a subscription's invoices are known, its status matters, whatever its owner.
            return without_change(kept, EventStatus.PARKED, _reason(admitted, news, snapshot))
    elif recorded.revision == 0:
        return without_change(kept, EventStatus.IGNORED, NOT_OURS)
    known = merge_subscriptions(recorded.subscription, Subscription(subscriber=subscriber, state=news.state))
    if known == recorded.subscription:
        return without_change(kept, EventStatus.NOTHING_NEW, None)
    revision = SubscriptionRevision(id=recorded.id, expected_revision=recorded.revision, subscription=known)
    # The expiry of credits depends on whether the subscription continues.
    settled = settle_family(
        Family(members=snapshot.family, state=known.state, since=news.occurred_at - MAX_GRACE), PostingOrigin()
    )
    change = Change(event=with_status(kept, EventStatus.APPLIED, None), subscription=revision, ends=settled.ends)
    return Decision(status=EventStatus.APPLIED, change=change)


def _as_it_stands(sale: SaleReport, subscription: RecordedSubscription | None) -> RecordedSubscription | None:
    """Return the subscription with what the look-up says about it: its own events may be anonymous or too early."""
    if sale.subscription_id is None or sale.subscription_state is None:
        return subscription
    known = subscription or RecordedSubscription(id=sale.subscription_id, revision=0, subscription=Subscription())
    state = Subscription(state=sale.subscription_state)
    return attrs.evolve(known, subscription=merge_subscriptions(known.subscription, state))


def _unless_known(facts: Purchase, snapshot: Snapshot) -> Purchase:
    # A fetched object carries the time of the request: without this check it would seem new each time.
    known = {
        (dispute.id, dispute.status, dispute.amount) for row in snapshot.purchases for dispute in row.purchase.disputes
    }
    news = (dispute for dispute in facts.disputes if (dispute.id, dispute.status, dispute.amount) not in known)
    return attrs.evolve(facts, disputes=tuple(news))


def _reason(refused: Refused, report: SaleReport | SubscriptionReport, snapshot: Snapshot) -> str:
    """Return the parked reason: its code and, after a colon, details that an operator needs."""
    known = snapshot.subscription.subscription if snapshot.subscription else Subscription()
    # A subscriber had an account, even if a trial left no entry to show it.
    was_there = snapshot.account_is_deleted or (known.subscriber and known.subscriber.user_id == claimed_user(report))
    if refused.reason is not ParkReason.UNKNOWN_USER or not was_there:
        return refused.reason if refused.about is None else f"{refused.reason}: {refused.about}"
    state = report.state if isinstance(report, SubscriptionReport) and report.state else known.state
    if report.subscription_id is None or (state is not None and state.status in ENDED):
        return ParkReason.USER_DELETED
    # A deleted user would go on paying for nothing.
    return f"{ParkReason.USER_DELETED}: cancel subscription {report.subscription_id}"
