"""The decision about one telling: what it changes in the ledger, and what it comes to."""

import attrs

from domain.accounts import UserId
from domain.admission import ParkReason, Refused, admit, foreign, owner_named
from domain.commits import (
    Change,
    EventDecision,
    EventStatus,
    OutboxMessage,
    PurchaseRevision,
    RecordedPurchase,
    Snapshot,
)
from domain.events import InboxEvent, Irrelevant, Sale, Told, Unreadable
from domain.ledger import Posting, postings_due
from domain.plans import Catalogue
from domain.purchases import Linked, Order, Ordered, Purchase, learn

REFRESH_CACHE = "refresh_cache"
"""The outbox topic of a balance that the cache must learn of."""


@attrs.frozen(kw_only=True)
class Decision:
    """A change to commit, and what it means; `order` is the purchase's order where there is one."""

    status: EventStatus
    change: Change
    reason: str | None = None
    order: Order | None = None


def user_told(told: Told) -> UserId | None:
    """The user whom a decision about the telling will have to know."""
    if not isinstance(told, Sale):
        return None
    owner = owner_named(told)
    return None if isinstance(owner, ParkReason) else owner


def decide(
    event: InboxEvent | None, told: Told, snapshot: Snapshot, catalogue: Catalogue, *, livemode: bool
) -> Decision:
    """What to do about a telling, given what the ledger knows.

    The same decision serves every teller: a webhook brings its event, the return page brings none.
    """
    match told:
        case Irrelevant(reason):
            return _without_purchase(event, EventStatus.IGNORED, reason)
        case Unreadable(reason):
            return _without_purchase(event, EventStatus.PARKED, f"{ParkReason.UNREADABLE}: {reason}")
        case Sale():
            mismatch = foreign(event, livemode=livemode) if event is not None else None
            admitted = Refused(mismatch) if mismatch else admit(told, catalogue, snapshot.account)
            if isinstance(admitted, Refused):
                return _without_purchase(event, EventStatus.PARKED, admitted.reason)
            return _sold(event, told, admitted, snapshot)


def _sold(event: InboxEvent | None, sale: Sale, order: Order, snapshot: Snapshot) -> Decision:
    if len(snapshot.purchases) > 1:
        return _without_purchase(event, EventStatus.PARKED, ParkReason.SEVERAL_PURCHASES)
    recorded = _recorded(sale, snapshot)
    purchase = learn(recorded.purchase, (Ordered(order), *sale.facts, Linked(sale.links)))
    revision = recorded.revision + 1
    postings = postings_due(
        recorded.id,
        purchase,
        recorded.posted,
        revision=revision,
        stripe_session_id=sale.session_id,
        stripe_event_id=event.id if event else None,
        event_at=event.created if event else None,
    )
    if purchase == recorded.purchase and not postings:
        decision = _without_purchase(event, EventStatus.NOTHING_NEW, None)
        return attrs.evolve(decision, order=purchase.order)
    return Decision(
        status=EventStatus.APPLIED,
        order=purchase.order,
        change=Change(
            event=_event_decision(event, EventStatus.APPLIED, None),
            revision=PurchaseRevision(id=recorded.id, expected_revision=recorded.revision, purchase=purchase),
            postings=postings,
            outbox=tuple(_cache_refresh(posting) for posting in postings),
        ),
    )


def _recorded(sale: Sale, snapshot: Snapshot) -> RecordedPurchase:
    if snapshot.purchases:
        return snapshot.purchases[0]
    return RecordedPurchase(id=sale.purchase_id, revision=0, purchase=Purchase())


def _without_purchase(event: InboxEvent | None, status: EventStatus, reason: str | None) -> Decision:
    return Decision(status=status, reason=reason, change=Change(event=_event_decision(event, status, reason)))


def _event_decision(event: InboxEvent | None, status: EventStatus, reason: str | None) -> EventDecision | None:
    return EventDecision(event=event, status=status, reason=reason) if event is not None else None


def _cache_refresh(posting: Posting) -> OutboxMessage:
    return OutboxMessage(
        topic=REFRESH_CACHE,
        key=f"{REFRESH_CACHE}:{posting.idempotency_key}",
        payload={"user_id": posting.user_id},
    )
