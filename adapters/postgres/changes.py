"""Translates a change into the JSON that `ledger_commit` takes.

Only what differs from the domain's values in shape or name is here; msgspec encodes the rest.
"""

from collections.abc import Iterable

import attrs
from msgspec import to_builtins

from domain.changes.changes import Change, PurchaseRevision, SubscriptionRevision
from domain.changes.inbox import EventDecision
from domain.credits.grants import Draw
from domain.credits.ledger import Posting
from domain.payments.purchases import Order, Purchase

_COLUMNS = frozenset({"payment", "paid_at"})
_ORDER_COLUMNS = frozenset({"user_id", "plan_id", "credits", "amount", "currency"})
_POSTING = tuple(field.name for field in attrs.fields(Posting))


def change_to_json(change: Change) -> dict[str, object]:
    """Return a change as `ledger_commit` takes it; null and empty members are left out, and read as such."""
    return _present(
        event=_event_to_json(change.event) if change.event else None,
        purchase=_revision_to_json(change.revision) if change.revision else None,
        others=[_revision_to_json(other) for other in change.others] or None,
        ends=change.ends or None,
        made_prices=change.made_prices or None,
        subscription=_subscription_to_json(change.subscription) if change.subscription else None,
        account=change.account,
        entries=[_posting_to_json(posting) for posting in change.postings] or None,
        holds=[{**to_builtins(hold), "draws": _draws_to_json(hold.draws)} for hold in change.holds] or None,
        request=change.request,
        notify_below=change.notify_below,
        owner_email=change.owner_email,
        outbox=change.outbox or None,
    )


def _event_to_json(decision: EventDecision) -> dict[str, object]:
    return {
        **to_builtins(decision.event),
        "status": decision.status,
        "reason": decision.reason,
        "again": decision.again,
    }


def _revision_to_json(revision: PurchaseRevision) -> dict[str, object]:
    purchase = revision.purchase
    order, bill = purchase.order, purchase.bill
    return {
        "id": revision.id,
        "expected_revision": revision.expected_revision,
        "user_id": order.user_id if order else None,
        "plan_id": order.plan_id if order else None,
        "credits": order.credits if order else None,
        "amount": order.amount if order else None,
        "currency": order.currency if order else None,
        "payment_status": purchase.payment,
        "paid_at": purchase.paid_at,
        "subscription_id": bill.subscription_id if bill else None,
        "starts_at": bill.starts_at if bill else None,
        "ends_at": bill.ends_at if bill else None,
        "facts": _facts_to_json(purchase),
        "absorbed": revision.absorbed,
    }


def _facts_to_json(purchase: Purchase) -> dict[str, object]:
    """Return what is known beside the defaults and the row's other columns, which `credence_facts()` adds again."""
    known = {name: value for name, value in _unusual(purchase).items() if name not in _COLUMNS}
    if purchase.order is not None:
        known["order"] = {name: value for name, value in _unusual(purchase.order).items() if name not in _ORDER_COLUMNS}
        if not known["order"]:
            del known["order"]
    if purchase.currencies:
        known["currencies"] = sorted(purchase.currencies)
    return {**known, "links": sorted(purchase.links)}


def _unusual(value: Purchase | Order) -> dict[str, object]:
    """Return the fields that do not have their default."""
    members = {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    defaults = {field.name: field.default for field in attrs.fields(type(value))}
    return {name: member for name, member in members.items() if member != defaults[name]}


def _subscription_to_json(revision: SubscriptionRevision) -> dict[str, object]:
    subscriber, state = revision.subscription.subscriber, revision.subscription.state
    return {
        "id": revision.id,
        "expected_revision": revision.expected_revision,
        "user_id": subscriber.user_id if subscriber else None,
        "plan_id": subscriber.plan_id if subscriber else None,
        "status": state.status if state else None,
        "cancels_at_period_end": state.cancels_at_period_end if state else False,
        "period_ends_at": state.period_ends_at if state else None,
        "facts": revision.subscription,
    }


def _posting_to_json(posting: Posting) -> dict[str, object]:
    members = {name: member for name in _POSTING if (member := getattr(posting, name)) is not None}
    if posting.draws is not None:
        members["draws"] = _draws_to_json(posting.draws)
    return members


def _draws_to_json(draws: Iterable[Draw]) -> list[dict[str, object]]:
    return [{"grant": draw.grant_id, "credits": draw.credits} for draw in draws]


def _present(**members: object) -> dict[str, object]:
    """Return the members that are not null, so that the SQL functions have less to parse."""
    return {name: member for name, member in members.items() if member is not None}
