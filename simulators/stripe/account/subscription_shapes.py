"""Stripe's subscriptions, kept in one shape and shown in that of an API version."""

from typing import Any

import attrs

from simulators.stripe.account.coupon_shapes import discount_of
from simulators.stripe.objects import Object, listed

PERIODS_MOVE_TO_ITEMS = "2025-03-31"
BILLING_MODES_COME = "2025-06-30"


@attrs.frozen(kw_only=True)
class Terms:
    """The terms of a subscription's billing, and what its lines show."""

    billing_mode: str = "classic"
    proration_discounts: str = "included"
    """How flexible billing shows the discounts of prorations: `included` in their amounts, or `itemized`."""
    names_credited: bool = True
    """Whether classic billing names the lines that are credited; Stripe did not always."""
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None

    @property
    def is_flexible(self) -> bool:
        """Return whether billing is flexible."""
        return self.billing_mode == "flexible"

    @property
    def itemizes(self) -> bool:
        """Return whether prorations show their amounts before discounts."""
        return self.is_flexible and self.proration_discounts == "itemized"


def subscription(subscription_id: str, *, created: int, terms: Terms, trial_ends: int | None, **fields: Any) -> Object:
    """Return a subscription that begins now, with a trial where one ends later."""
    return {
        "id": subscription_id,
        "object": "subscription",
        "billing_cycle_anchor": trial_ends or created,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": terms.collection_method,
        "created": created,
        "currency": "usd",
        "customer": None,
        "days_until_due": terms.days_until_due,
        "ended_at": None,
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "schedule": None,
        "start_date": created,
        "status": "trialing" if trial_ends else "active",
        "trial_end": trial_ends,
        "trial_start": created if trial_ends else None,
        "_declines": False,
        "_discount": None,
        "_is_taxed": False,
        "_items": [],
        "_last_discount": None,
        "_pending": [],
        "_period": [created, created],
        "_terms": terms,
        **fields,
    }


def subscription_item(item_id: str, price: Object, quantity: int, *, created: int) -> Object:
    """Return what a subscription sells, so many of it; it remembers the line that billed it last."""
    return {
        "id": item_id,
        "object": "subscription_item",
        "created": created,
        "discounts": [],
        "metadata": {},
        "quantity": quantity,
        "_debit": None,
        "_debit_discount": None,
        "_price": price,
    }


def subscription_of(kept: Object, date: str) -> Object:
    """Return the fields of a subscription that differ from version to version."""
    start, end = kept["_period"]
    on_items = date >= PERIODS_MOVE_TO_ITEMS
    period = {"current_period_start": start, "current_period_end": end}
    items = [_item_of(one, kept["id"]) | (period if on_items else {}) for one in kept["_items"]]
    fields: Object = {"items": listed(items, f"/v1/subscription_items?subscription={kept['id']}")}
    discount = kept["_discount"]
    if not on_items:
        fields |= {**period, "discount": discount_of(discount, date) if discount else None}
    if date >= BILLING_MODES_COME:
        fields["billing_mode"] = _billing_mode(kept["_terms"])
    return fields | {"discounts": [discount["id"]] if discount else []}


def _item_of(kept: Object, subscription_id: str) -> Object:
    fields = {name: value for name, value in kept.items() if not name.startswith("_")}
    return fields | {"price": dict(kept["_price"]), "subscription": subscription_id}


def _billing_mode(terms: Terms) -> Object:
    flexible = {"proration_discounts": terms.proration_discounts} if terms.is_flexible else None
    return {"flexible": flexible, "type": terms.billing_mode}
