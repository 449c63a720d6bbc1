"""The decision about one telling: what it changes in the ledger, and what it comes to."""

from datetime import timedelta
from functools import reduce

import attrs

from domain.changes.changes import (
    AbsorbedPurchase,
    AccountGuard,
    Change,
    EventDecision,
    EventStatus,
    OutboxMessage,
    PurchaseRevision,
    RecordedPurchase,
    RecordedSubscription,
    Snapshot,
    SubscriptionRevision,
)
from domain.credits.ledger import Posting, PostingOrigin
from domain.decisions.families import Family, settle_family
from domain.payments.admission import (
    ParkReason,
    Refused,
    admit,
    admit_bill,
    admit_subscriber,
    claimed_owner,
    origin_mismatch,
    undecided,
)
from domain.payments.entitlements import entitlement
from domain.payments.invoices import Bill, LineKind
from domain.payments.line_plans import LineTerms, MadePrice, Undecidable, made_prices
from domain.payments.line_values import value_lines
from domain.payments.purchases import (
    Billed,
    Disputed,
    Fact,
    Link,
    Linked,
    Order,
    Ordered,
    Purchase,
    PurchaseId,
    is_in_one_currency,
    learn,
    merge,
)
from domain.payments.reports import (
    Attribution,
    InboxEvent,
    Irrelevant,
    PaymentReport,
    ProviderReport,
    SaleReport,
    SubscriptionReport,
    Unreadable,
)
from domain.payments.subscriptions import ENDED, Subscriber, Subscription, SubscriptionId, merge_subscriptions
from domain.values.accounts import UserId
from domain.values.plans import MAX_GRACE, Catalogue

REFRESH_CACHE = "refresh_cache"
"""The outbox topic of a balance that the cache must learn of."""

SEND_INVOICE = "send_invoice"
"""The outbox topic of an invoice that the customer must get."""

NOT_OURS = "no metadata of ours"
NO_PLAN = "no line of the invoice is of a plan"


@attrs.frozen(kw_only=True)
class Decision:
    """A change to commit, and what it means; `order` is the purchase's order where there is one."""

    status: EventStatus
    change: Change
    reason: str | None = None
    order: Order | None = None


def ledger_links(report: ProviderReport) -> frozenset[Link]:
    """The links by which the ledger may know the purchase."""
    return report.links if isinstance(report, SaleReport | PaymentReport) else frozenset()


def claimed_user(report: ProviderReport) -> UserId | None:
    """The user whom a decision about the telling will have to know."""
    if not isinstance(report, SaleReport | SubscriptionReport):
        return None
    owner = claimed_owner(report.attribution)
    return None if isinstance(owner, ParkReason) else owner


def named_by_subscription(sale: SaleReport, subscription: RecordedSubscription | None) -> SaleReport:
    """The sale, with the subscription's owner and plan where its invoice names nobody, or a person confirmed them.

    Of the owner that stands no address is wanted: an invoice has the one of the day on which the subscription began.
    """
    subscriber = subscription.subscription.subscriber if subscription else None
    attribution = sale.attribution
    if subscriber is None or attribution.confirmed:
        return sale
    if not (attribution.is_anonymous or subscriber.confirmed):
        stands = claimed_owner(attribution) == subscriber.user_id
        return attrs.evolve(sale, attribution=attrs.evolve(attribution, email=None)) if stands else sale
    named = Attribution(
        user_reference=subscriber.user_id,
        plan_id=attribution.plan_id or subscriber.plan_id,
        terms=attribution.terms or subscriber.terms,
        confirmed=subscriber.confirmed,
    )
    return attrs.evolve(sale, attribution=named)


def decide(
    event: InboxEvent | None,
    report: ProviderReport,
    snapshot: Snapshot,
    catalogue: Catalogue,
    *,
    livemode: bool,
    own_account: str | None = None,
    again: bool = False,
) -> Decision:
    """What to do about a telling, given what the ledger knows.

    The same decision serves every teller: a webhook brings its event, the return page brings none. `own_account` is
    our own account's id where it is known. `again` decides an event that is final already once more.
    """
    kept = EventDecision(event=event, status=EventStatus.RECEIVED, again=again) if event is not None else None
    report, snapshot = _of_one_invoice(report, snapshot)
    mismatch = origin_mismatch(event, livemode=livemode, own_account=own_account) if event is not None else None
    if mismatch is not None and not isinstance(report, Irrelevant):
        return _without_change(kept, EventStatus.PARKED, mismatch)
    match report:
        case Irrelevant(reason):
            return _without_change(kept, EventStatus.IGNORED, reason)
        case Unreadable(reason):
            return _without_change(kept, EventStatus.PARKED, f"{ParkReason.UNREADABLE}: {reason}")
        case SubscriptionReport():
            return _subscribed(kept, report, snapshot, catalogue)
        case PaymentReport():
            return _heard(kept, report, snapshot)
        case SaleReport():
            return _sold(kept, report, snapshot, catalogue)


def _of_one_invoice(report: ProviderReport, snapshot: Snapshot) -> tuple[ProviderReport, Snapshot]:
    """What is told, and what is known, of one invoice: a payment may pay several, each of which is a purchase.

    The payment's links stay with the invoice that had them first, and what is told of the payment alone is told of it.
    """
    if not isinstance(report, SaleReport | PaymentReport):
        return report, snapshot
    rows = sorted(snapshot.purchases, key=_precedence)
    named = (_invoice_links(links) for links in (report.links, *(row.purchase.links for row in rows)))
    invoices = next(filter(None, named), frozenset())
    apart = [row for row in rows if (own := _invoice_links(row.purchase.links)) and own.isdisjoint(invoices)]
    if not apart:
        return report, snapshot
    theirs = frozenset().union(*(row.purchase.links for row in apart))
    rest = tuple(row for row in snapshot.purchases if row not in apart)
    # The payment's own name is for one of them: what begins now has its invoice's.
    own = _invoice_links(report.links)
    id_ = PurchaseId(min(own).partition(":")[2]) if own else report.purchase_id
    return attrs.evolve(report, links=report.links - theirs, purchase_id=id_), attrs.evolve(snapshot, purchases=rest)


def stands(sale: SaleReport, snapshot: Snapshot) -> bool:
    """Return whether the sale's payment has an order that goes before what the sale tells.

    Once there is one, a person's word comes too late: it is for what nobody else could tell.
    """
    _, own = _of_one_invoice(sale, snapshot)
    orders = (recorded.purchase.order for recorded in own.purchases)
    return any(order is not None and (sale.attribution.confirmed or order.rank >= sale.rank) for order in orders)


def _sold(kept: EventDecision | None, sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue) -> Decision:
    facts: tuple[Fact, ...] = (*sale.facts, Linked(sale.links))
    guard: AccountGuard | None = None
    made: tuple[MadePrice, ...] = ()
    # What stands admitted, by a person's claim, say, is not admitted again: catalogue and addresses are of their day.
    if not stands(sale, snapshot):
        if not sale.is_complete:
            return _without_change(kept, EventStatus.PARKED, ParkReason.INCOMPLETE_INVOICE)
        admitted: Order | Refused | None
        if sale.lines is None:
            admitted = admit(sale, catalogue, snapshot.account)
        else:
            terms = line_terms(sale, snapshot, catalogue)
            bill = value_lines(sale, str(sale.subscription_id), terms)
            if isinstance(bill, Bill) and not bill.lines and not bill.unused:
                return _without_change(kept, EventStatus.IGNORED, NO_PLAN)
            if isinstance(bill, Bill):
                facts = (Billed(bill), *facts)
                guard = _guard_of_claims(bill, snapshot)
                made = tuple(price for price in terms.made if price not in snapshot.made_prices)
            admitted = _admitted(bill, sale, snapshot, catalogue)
        if isinstance(admitted, Refused):
            # Where no money comes of it, nobody need wait for its owner, or its price.
            status = EventStatus.IGNORED if sale.is_over else EventStatus.PARKED
            return _without_change(kept, status, _reason(admitted, sale, snapshot))
        if admitted is not None:
            facts = (Ordered(admitted), *facts)
    reach = MAX_GRACE if sale.lines else timedelta(0)
    snapshot = attrs.evolve(snapshot, subscription=_as_it_stands(sale, snapshot.subscription))
    decision = _learned(kept, sale.purchase_id, facts, snapshot, session_id=sale.session_id, reach=reach)
    if decision.change.revision is None:
        return decision
    return attrs.evolve(decision, change=attrs.evolve(decision.change, account=guard, made_prices=made))


def line_terms(sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue) -> LineTerms:
    """Return what is known when the lines of a subscription's invoice are valued."""
    others = (one.purchase.bill for one in snapshot.family if one.id != sale.purchase_id)
    terms = LineTerms(
        catalogue=catalogue,
        attribution=sale.attribution,
        recorded=tuple(line for bill in others if bill is not None for line in bill.lines),
        claimed=snapshot.claimed,
        made=snapshot.made_prices,
    )
    return attrs.evolve(terms, made=(*terms.made, *made_prices(sale.lines or (), terms)))


def _admitted(
    bill: Bill | Undecidable, sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue
) -> Order | Refused | None:
    """Return the order that the invoice makes; None where it only gives unused time back."""
    if isinstance(bill, Undecidable):
        return undecided(bill, sale, catalogue)
    return admit_bill(sale, bill, snapshot.account) if bill.lines else None


def _guard_of_claims(bill: Bill, snapshot: Snapshot) -> AccountGuard | None:
    """Return the guard that lets only one of two invoices have a trial, or a free plan, that an account has once."""
    once = any(line.kind is LineKind.TRIAL or line.is_free for line in bill.lines)
    if not once or snapshot.account is None:
        return None
    return AccountGuard(user_id=snapshot.account.user_id, expected_revision=snapshot.account.revision)


def _heard(kept: EventDecision | None, news: PaymentReport, snapshot: Snapshot) -> Decision:
    if news.ours is False and not snapshot.purchases:
        return _without_change(kept, EventStatus.IGNORED, NOT_OURS)
    facts = news.facts if kept is not None else _unless_known(news.facts, snapshot)
    return _learned(kept, news.purchase_id, (*facts, Linked(news.links)), snapshot)


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
            # Of a subscription whose invoices are known, how it stands matters whoever it was sold to.
            return _without_change(kept, EventStatus.PARKED, _reason(admitted, news, snapshot))
    elif recorded.revision == 0:
        return _without_change(kept, EventStatus.IGNORED, NOT_OURS)
    known = merge_subscriptions(recorded.subscription, Subscription(subscriber=subscriber, state=news.state))
    if known == recorded.subscription:
        return _without_change(kept, EventStatus.NOTHING_NEW, None)
    revision = SubscriptionRevision(id=recorded.id, expected_revision=recorded.revision, subscription=known)
    # When credits expire depends on whether the subscription goes on.
    settled = settle_family(
        Family(members=snapshot.family, state=known.state, since=news.occurred_at - MAX_GRACE), PostingOrigin()
    )
    change = Change(event=_with_status(kept, EventStatus.APPLIED, None), subscription=revision, ends=settled.ends)
    return Decision(status=EventStatus.APPLIED, change=change)


def _learned(
    kept: EventDecision | None,
    purchase_id: PurchaseId,
    facts: tuple[Fact, ...],
    snapshot: Snapshot,
    *,
    session_id: str | None = None,
    reach: timedelta = timedelta(0),
) -> Decision:
    """What facts of a purchase change; the family that was read begins `reach` before the purchase's own times."""
    recorded, absorbed = _one_payment(purchase_id, snapshot)
    before = reduce(merge, (other.purchase for other in absorbed), recorded.purchase)
    purchase = learn(before, facts)
    if not is_in_one_currency(purchase):
        return _without_change(kept, EventStatus.PARKED, ParkReason.CURRENCY_DISAGREES)
    gone = {recorded.id, *(other.id for other in absorbed)}
    subscription = snapshot.subscription
    family = Family(
        members=tuple(one for one in snapshot.family if one.id not in gone),
        state=subscription.subscription.state if subscription else None,
        since=purchase.bill.starts_at - reach if purchase.bill and purchase.bill.starts_at else None,
    )
    origin = PostingOrigin(
        stripe_session_id=session_id or _session_of(purchase),
        stripe_event_id=kept.event.id if kept else None,
        event_at=kept.event.created if kept else None,
    )
    settled = settle_family(family, origin, changed=(attrs.evolve(recorded, purchase=purchase), *absorbed))
    absent = frozenset().union(*(known.absent_users for known in (*snapshot.purchases, *snapshot.family)))
    if any(posting.user_id in absent for posting in settled.postings):
        return _without_change(kept, EventStatus.PARKED, ParkReason.USER_DELETED)
    if purchase == recorded.purchase and not settled.postings and not settled.ends and not absorbed:
        decision = _without_change(kept, EventStatus.NOTHING_NEW, None)
        return attrs.evolve(decision, order=purchase.order)
    revision = PurchaseRevision(
        id=recorded.id,
        expected_revision=recorded.revision,
        purchase=purchase,
        absorbed=tuple(AbsorbedPurchase(id=other.id, expected_revision=other.revision) for other in absorbed),
    )
    return Decision(
        status=EventStatus.APPLIED,
        order=purchase.order,
        change=Change(
            event=_with_status(kept, EventStatus.APPLIED, None),
            revision=revision,
            others=settled.revisions,
            subscription=_touched(purchase, subscription),
            postings=settled.postings,
            ends=settled.ends,
            outbox=(*map(_cache_refresh, settled.postings), *_invoices_due((recorded, *absorbed), purchase)),
        ),
    )


def _as_it_stands(sale: SaleReport, subscription: RecordedSubscription | None) -> RecordedSubscription | None:
    """Return the subscription with what was asked of it: its own events name nobody, and may have come too early."""
    if sale.subscription_id is None or sale.subscription_state is None:
        return subscription
    known = subscription or RecordedSubscription(id=sale.subscription_id, revision=0, subscription=Subscription())
    state = Subscription(state=sale.subscription_state)
    return attrs.evolve(known, subscription=merge_subscriptions(known.subscription, state))


def _touched(purchase: Purchase, subscription: RecordedSubscription | None) -> SubscriptionRevision | None:
    """Return the subscription's next revision, which lets only one decision about its invoices be made at a time."""
    if purchase.bill is None:
        return None
    id_ = SubscriptionId(purchase.bill.subscription_id)
    known = subscription or RecordedSubscription(id=id_, revision=0, subscription=Subscription())
    return SubscriptionRevision(id=id_, expected_revision=known.revision, subscription=known.subscription)


def _unless_known(facts: tuple[Fact, ...], snapshot: Snapshot) -> tuple[Fact, ...]:
    # An object has the time at which it was asked for: without this it would be news each time.
    known = {
        (dispute.id, dispute.status, dispute.amount) for row in snapshot.purchases for dispute in row.purchase.disputes
    }
    return tuple(
        fact
        for fact in facts
        if not (isinstance(fact, Disputed) and (fact.dispute.id, fact.dispute.status, fact.dispute.amount) in known)
    )


def _one_payment(purchase_id: PurchaseId, snapshot: Snapshot) -> tuple[RecordedPurchase, tuple[RecordedPurchase, ...]]:
    """The row that goes on, and those that prove to be the same payment: whoever decides, the same ones."""
    if not snapshot.purchases:
        return RecordedPurchase(id=purchase_id, revision=0, purchase=Purchase()), ()
    first, *others = sorted(snapshot.purchases, key=_precedence)
    return first, tuple(others)


def _precedence(row: RecordedPurchase) -> tuple[bool, PurchaseId]:
    return row.purchase.order is None, row.id


def _session_of(purchase: Purchase) -> str | None:
    sessions = sorted(link for link in purchase.links if link.startswith("session:"))
    return sessions[0].partition(":")[2] if sessions else None


def _invoices_due(before: tuple[RecordedPurchase, ...], purchase: Purchase) -> tuple[OutboxMessage, ...]:
    sent = set().union(*(_invoices(row.purchase) for row in before))
    return tuple(
        OutboxMessage(topic=SEND_INVOICE, key=f"{SEND_INVOICE}:{invoice_id}", payload={"invoice_id": invoice_id})
        for invoice_id in sorted(_invoices(purchase) - sent)
    )


def _invoices(purchase: Purchase) -> set[str]:
    """The invoices of credits that are paid, and not for nothing."""
    if purchase.order is None or entitlement(purchase) == 0:
        return set()
    return {link.partition(":")[2] for link in _invoice_links(purchase.links)}


def _invoice_links(links: frozenset[Link]) -> frozenset[Link]:
    return frozenset(link for link in links if link.startswith("invoice:"))


def _reason(refused: Refused, report: SaleReport | SubscriptionReport, snapshot: Snapshot) -> str:
    """Why it is parked: a reason's code and, after a colon, what an operator has to know of this very case."""
    known = snapshot.subscription.subscription if snapshot.subscription else Subscription()
    # Who subscribed was there, also where a trial brought no entry that would tell of them.
    was_there = snapshot.account_is_deleted or (known.subscriber and known.subscriber.user_id == claimed_user(report))
    if refused.reason is not ParkReason.UNKNOWN_USER or not was_there:
        return refused.reason if refused.about is None else f"{refused.reason}: {refused.about}"
    state = report.state if isinstance(report, SubscriptionReport) and report.state else known.state
    if report.subscription_id is None or (state is not None and state.status in ENDED):
        return ParkReason.USER_DELETED
    # Who has gone would pay for nothing, period after period.
    return f"{ParkReason.USER_DELETED}: cancel subscription {report.subscription_id}"


def _without_change(kept: EventDecision | None, status: EventStatus, reason: str | None) -> Decision:
    return Decision(status=status, reason=reason, change=Change(event=_with_status(kept, status, reason)))


def _with_status(kept: EventDecision | None, status: EventStatus, reason: str | None) -> EventDecision | None:
    return attrs.evolve(kept, status=status, reason=reason) if kept is not None else None


def _cache_refresh(posting: Posting) -> OutboxMessage:
    return OutboxMessage(
        topic=REFRESH_CACHE,
        key=f"{REFRESH_CACHE}:{posting.idempotency_key}",
        payload={"user_id": posting.user_id},
    )
