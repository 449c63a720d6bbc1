"""Stripe's checkout sessions, payment intents and invoices written by hand, as payloads of packs that are sold once.

Amounts are in cents, times in days after the first of January 2026, noon.
"""

from features.billing.payloads import USER, Payload, moment
from features.billing.world import StripeEvent

NAMED = {"userId": USER, "plan": "pack"}
OF_SESSION = {**NAMED, "credence_session": "yes"}


def session(
    id_: str = "cs_1",
    *,
    subtotal: int = 500,
    total: int | None = None,
    intent: str | None = "pi_1",
    invoice: str | None = None,
    metadata: Payload | None = None,
    **more: object,
) -> Payload:
    """Return a paid session; without an intent nothing was due."""
    return {
        "id": id_,
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid" if intent else "no_payment_required",
        "amount_subtotal": subtotal,
        "amount_total": subtotal if total is None else total,
        "currency": "usd",
        "created": moment(0),
        "payment_intent": intent,
        "invoice": invoice,
        "metadata": NAMED if metadata is None else metadata,
        **more,
    }


def intent(
    id_: str = "pi_1",
    amount: int = 500,
    *,
    received: int | None = None,
    metadata: Payload | None = None,
    **more: object,
) -> Payload:
    """Return a payment that succeeded, in the shape since 2025-03-31."""
    return {
        "id": id_,
        "object": "payment_intent",
        "status": "succeeded",
        "amount": amount,
        "amount_received": amount if received is None else received,
        "currency": "usd",
        "created": moment(0),
        "latest_charge": f"ch_{id_}",
        "metadata": NAMED if metadata is None else metadata,
        **more,
    }


def by_hand(
    id_: str = "in_1",
    amount: int = 500,
    *,
    metadata: Payload | None = None,
    lines: list[Payload] | None = None,
    **more: object,
) -> Payload:
    """Return a paid invoice without a subscription, in the shape since 2025-03-31, which does not show its payment."""
    return {
        "id": id_,
        "object": "invoice",
        "billing_reason": "manual",
        "status": "paid",
        "currency": "usd",
        "created": moment(0),
        "subtotal": amount,
        "total": amount,
        "amount_paid": amount,
        "lines": {"object": "list", "data": lines or [], "has_more": False},
        "status_transitions": {"paid_at": moment(0)},
        "metadata": NAMED if metadata is None else metadata,
        **more,
    }


def item(
    id_: str,
    amount: int,
    *,
    quantity: int = 1,
    price: str | None = None,
    product: str | None = None,
    metadata: Payload | None = None,
    **more: object,
) -> Payload:
    """Return a line item of a session: so many of a price, with the amount of all of them."""
    return {
        "id": id_,
        "object": "item",
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": "usd",
        "quantity": quantity,
        "price": {
            "id": price or f"price_{id_}",
            "object": "price",
            "currency": "usd",
            "unit_amount": amount // quantity,
            "unit_amount_decimal": str(amount // quantity),
            "billing_scheme": "per_unit",
            "product": product or f"prod_{id_}",
            "recurring": None,
            "metadata": metadata or {},
        },
        **more,
    }


def refund_of(intent_id: str, amount: int, id_: str = "re_1") -> StripeEvent:
    """Return the event that a payment was refunded in part."""
    about = {
        "id": id_,
        "object": "refund",
        "amount": amount,
        "currency": "usd",
        "status": "succeeded",
        "payment_intent": intent_id,
        "charge": f"ch_{intent_id}",
    }
    return StripeEvent(type="refund.created", about=about, days=2)


def completed(about: Payload, days: float = 0) -> StripeEvent:
    """Return the event that a session is completed."""
    return StripeEvent(type="checkout.session.completed", about=about, days=days)


def succeeded(about: Payload, days: float = 0) -> StripeEvent:
    """Return the event that a payment succeeded."""
    return StripeEvent(type="payment_intent.succeeded", about=about, days=days)
