"""Turns a purchase's new facts into a change to the ledger, with the messages that follow."""

from datetime import timedelta
from functools import reduce

import attrs

from domain.changes.changes import (
    AbsorbedPurchase,
    Change,
    PurchaseRevision,
    RecordedPurchase,
    RecordedSubscription,
    Snapshot,
    SubscriptionRevision,
)
from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import SEND_INVOICE, OutboxMessage
from domain.credits.postings import PostingOrigin
from domain.decisions.families import Family, settle_family
from domain.decisions.reports import invoice_links, precedence
from domain.payments.admission import ParkReason
from domain.payments.entitlements import entitlement
from domain.payments.purchases import Order, Purchase, PurchaseId, is_in_one_currency, learn, merge
from domain.payments.subscriptions import Subscription, SubscriptionId


@attrs.frozen(kw_only=True)
class Decision:
    """A change to commit and the event's status; `order` is the purchase's order, if there is one."""

    status: EventStatus
    change: Change
    reason: str | None = None
    order: Order | None = None


def learned(
    kept: EventDecision | None,
    purchase_id: PurchaseId,
    facts: Purchase,
    snapshot: Snapshot,
    *,
    session_id: str | None = None,
    reach: timedelta = timedelta(0),
) -> Decision:
    """Return the decision for new facts of a purchase; its family was read from `reach` before its times onwards."""
    recorded, absorbed = _one_payment(purchase_id, snapshot)
    before = reduce(merge, (other.purchase for other in absorbed), recorded.purchase)
    purchase = learn(before, (facts,))
    if not is_in_one_currency(purchase):
        return without_change(kept, EventStatus.PARKED, ParkReason.CURRENCY_DISAGREES)
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
        return without_change(kept, EventStatus.PARKED, ParkReason.USER_DELETED)
    if purchase == recorded.purchase and not settled.postings and not settled.ends and not absorbed:
        decision = without_change(kept, EventStatus.NOTHING_NEW, None)
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
            event=with_status(kept, EventStatus.APPLIED, None),
            revision=revision,
            others=settled.revisions,
            subscription=_touched(purchase, subscription),
            postings=settled.postings,
            ends=settled.ends,
            outbox=_invoices_due((recorded, *absorbed), purchase),
        ),
    )


def _touched(purchase: Purchase, subscription: RecordedSubscription | None) -> SubscriptionRevision | None:
    """Return the subscription with its next revision, so that decisions about its invoices conflict with each other."""
    if purchase.bill is None:
        return None
    id_ = SubscriptionId(purchase.bill.subscription_id)
    known = subscription or RecordedSubscription(id=id_, revision=0, subscription=Subscription())
    return SubscriptionRevision(id=id_, expected_revision=known.revision, subscription=known.subscription)


def _one_payment(purchase_id: PurchaseId, snapshot: Snapshot) -> tuple[RecordedPurchase, tuple[RecordedPurchase, ...]]:
    """Return the record to keep, and those that turned out to be the same payment; the choice is deterministic."""
    if not snapshot.purchases:
        return RecordedPurchase(id=purchase_id, revision=0, purchase=Purchase()), ()
    first, *others = sorted(snapshot.purchases, key=precedence)
    return first, tuple(others)


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
    """Return the paid, non-free invoices of a purchase that brings credits, or would if nothing had been taken back.

    So none is sent twice, though a purchase may be worth nothing for some time, as during a dispute.
    """
    untouched = attrs.evolve(purchase, refunds=(), refunded_totals=(), disputes=(), credit_notes=())
    if purchase.order is None or entitlement(untouched) == 0:
        return set()
    return {link.partition(":")[2] for link in invoice_links(purchase.links)}


def without_change(kept: EventDecision | None, status: EventStatus, reason: str | None) -> Decision:
    """Return the decision to store only the event, with its status."""
    return Decision(status=status, reason=reason, change=Change(event=with_status(kept, status, reason)))


def with_status(kept: EventDecision | None, status: EventStatus, reason: str | None) -> EventDecision | None:
    """Return the event with its status; None if there is no event."""
    return attrs.evolve(kept, status=status, reason=reason) if kept is not None else None
