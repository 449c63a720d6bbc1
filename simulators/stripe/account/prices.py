"""Prices of a simulated Stripe account, and how long a period at one of them is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simulators.stripe.objects import Object

if TYPE_CHECKING:
    from simulators.stripe.account.account import StripeAccount

DAY = 24 * 60 * 60
PERIODS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
"""Seconds of an interval; a simulated month has 30 days."""


def new_product(account: "StripeAccount", name: str | None, **fields: object) -> Object:
    """A product, which exists from now on."""
    made: Object = {
        "id": account.new_id("prod_"),
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "metadata": {},
        "name": name,
        "tax_code": None,
        "type": "service",
        "updated": account.now(),
        "url": None,
        **fields,
    }
    account.keep(made)
    return made


def new_price(
    account: "StripeAccount",
    unit_amount: int,
    currency: str,
    *,
    product: str,
    recurring: Object | None,
    metadata: Mapping[str, str] | None = None,
    nickname: str | None = None,
) -> Object:
    """A price of a product, which exists from now on; of one sale where nothing recurs."""
    made: Object = {
        "id": account.new_id("price_"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": currency,
        "livemode": False,
        "lookup_key": None,
        "metadata": dict(metadata or {}),
        "nickname": nickname,
        "product": product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }
    account.keep(made)
    return made


def recurring(interval: str, interval_count: int = 1, *, usage_type: str = "licensed") -> Object:
    """How a price recurs."""
    return {"interval": interval, "interval_count": interval_count, "meter": None, "usage_type": usage_type}


def seconds_of(price: Object) -> int:
    """How long a period at a recurring price is."""
    return PERIODS[price["recurring"]["interval"]] * int(price["recurring"]["interval_count"])
