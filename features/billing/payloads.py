"""Stripe's invoices, refunds, credit notes and disputes as payloads, in the shapes of before and after 2025-03-31.

Amounts are in cents, times in days after the first of January 2026, noon.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = 24 * 60 * 60
USER = "00000000-0000-0000-0000-00000000000a"
SUBSCRIPTION = "sub_1"

Payload = dict[str, Any]


@attrs.frozen(kw_only=True)
class StripePrice:
    """A price at Stripe: so many cents for each interval."""

    id: str
    amount: int
    interval: str = "month"
    interval_count: int = 1
    currency: str = "usd"
    product: str = "prod_credits"
    metadata: Payload = attrs.field(factory=dict)
    metered: bool = False

    @property
    def payload(self) -> Payload:
        """Return it as Stripe does."""
        usage = "metered" if self.metered else "licensed"
        return {
            "id": self.id,
            "object": "price",
            "unit_amount": self.amount,
            "unit_amount_decimal": str(self.amount),
            "billing_scheme": "per_unit",
            "currency": self.currency,
            "product": self.product,
            "recurring": {"interval": self.interval, "interval_count": self.interval_count, "usage_type": usage},
            "metadata": dict(self.metadata),
        }


MONTHLY = StripePrice(id="price_monthly", amount=900)
PRO = StripePrice(id="price_pro", amount=4900)
ANNUAL = StripePrice(id="price_annual", amount=9000, interval="year")
WEEKLY = StripePrice(id="price_weekly", amount=300, interval="week")


def moment(days: float) -> int:
    """Return the time so many days after the start, in seconds since 1970."""
    return int((START + timedelta(days=days)).timestamp())


def line(
    id_: str,
    amount: int,
    price: StripePrice,
    *,
    days: tuple[float, float],
    proration: bool = False,
    quantity: int = 1,
    discount: int = 0,
    tax: int = 0,
    tax_within: int = 0,
    item: str = "si_1",
    gives_back: tuple[str, str] | None = None,
    fee: bool = False,
    subscription: str = SUBSCRIPTION,
) -> Payload:
    """Return a line in the shape of before 2025-03-31; `gives_back` names the line whose time it gives back."""
    return {
        "id": id_,
        "object": "line_item",
        "type": "invoiceitem" if proration or fee else "subscription",
        "amount": amount,
        "currency": price.currency,
        "quantity": quantity,
        "period": {"start": moment(days[0]), "end": moment(days[1])},
        "price": price.payload,
        "proration": proration,
        "proration_details": {
            "credited_items": {"invoice": gives_back[0], "invoice_line_items": [gives_back[1]]} if gives_back else None
        },
        "discount_amounts": [{"amount": discount, "discount": "di_1"}] if discount else [],
        "tax_amounts": [
            {"amount": amount, "inclusive": within} for amount, within in ((tax, False), (tax_within, True)) if amount
        ],
        "subscription": None if fee else subscription,
        "subscription_item": None if fee else item,
        "metadata": {},
    }


def invoice(
    id_: str,
    *lines: Payload,
    paid: float,
    reason: str = "subscription_cycle",
    metadata: Payload | None = None,
    subscription: str = SUBSCRIPTION,
    created: float | None = None,
    discounted: bool = False,
    **more: object,
) -> Payload:
    """Return a paid invoice in the shape of before 2025-03-31, paid so many days after the start."""
    total = sum(
        one["amount"]
        - sum(part["amount"] for part in one["discount_amounts"])
        + sum(part["amount"] for part in one["tax_amounts"] if not part["inclusive"])
        for one in lines
    )
    known = {"userId": USER} if metadata is None else metadata
    return {
        "id": id_,
        "object": "invoice",
        "billing_reason": reason,
        "status": "paid",
        "paid": True,
        "currency": "usd",
        "created": moment(paid if created is None else created),
        "total": total,
        "amount_due": max(total, 0),
        "amount_paid": max(total, 0),
        "subscription": subscription,
        "subscription_details": {"metadata": known},
        "discounts": ["di_1"] if discounted else [],
        "lines": {"object": "list", "data": list(lines), "has_more": False},
        "payment_intent": f"pi_{id_}" if total > 0 else None,
        "charge": f"ch_{id_}" if total > 0 else None,
        "status_transitions": {"paid_at": moment(paid)},
        "metadata": {},
        **more,
    }


def in_new_shape(old: Payload) -> Payload:
    """Return the invoice as API versions since 2025-03-31 show it."""
    gone = {"subscription", "subscription_details", "payment_intent", "charge", "paid"}
    payment = {"type": "payment_intent", "payment_intent": old["payment_intent"]}
    return {
        **{key: value for key, value in old.items() if key not in gone},
        "parent": {
            "type": "subscription_details",
            "subscription_details": {
                "subscription": old["subscription"],
                "metadata": old["subscription_details"]["metadata"],
            },
        },
        "payments": {"data": [{"status": "paid", "payment": payment}] if old["payment_intent"] else []},
        "lines": {**old["lines"], "data": [_line_in_new_shape(one) for one in old["lines"]["data"]]},
    }


def _line_in_new_shape(old: Payload) -> Payload:
    gone = {"type", "price", "proration", "proration_details", "subscription", "subscription_item", "tax_amounts"}
    is_fee = old["type"] == "invoiceitem" and not old["proration"]
    kind = "invoice_item_details" if is_fee else "subscription_item_details"
    details = {
        "subscription": old["subscription"],
        "subscription_item": old["subscription_item"],
        "proration": old["proration"],
        "proration_details": old["proration_details"],
    }
    is_trial = old["amount"] == 0 and not old["proration"]
    unit = old["amount"] if old["proration"] else 0 if is_trial else old["price"]["unit_amount"]
    return {
        **{key: value for key, value in old.items() if key not in gone},
        "parent": {"type": kind, kind: details},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": old["price"]["id"], "product": old["price"]["product"]},
            "unit_amount_decimal": str(unit),
        },
        "quantity_decimal": str(old["quantity"]),
        "taxes": [
            {"amount": one["amount"], "tax_behavior": "inclusive" if one["inclusive"] else "exclusive"}
            for one in old["tax_amounts"]
        ],
    }


def ended(
    days: float, *, status: str = "canceled", scheduled: bool = False, subscription: str = SUBSCRIPTION
) -> Payload:
    """Return a subscription as it stands at an event."""
    return {
        "id": subscription,
        "object": "subscription",
        "status": status,
        "cancel_at_period_end": scheduled,
        "cancel_at": None,
        "items": {"data": [{"current_period_end": moment(days)}]},
        "metadata": {"userId": USER},
    }
