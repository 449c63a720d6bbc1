"""Prices of a simulated Stripe account, and how long a period at one of them is."""

from collections.abc import Mapping

from simulators.stripe.account.books import Books
from simulators.stripe.objects import Object
from simulators.stripe.ordering.orders import Order, OrderedItem

DAY = 24 * 60 * 60
PERIODS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
"""Seconds of an interval; a simulated month has 30 days."""


def new_product(books: Books, name: str | None, **fields: object) -> Object:
    """Return a product, which exists from now on."""
    made: Object = {
        "id": books.new_id("prod_"),
        "object": "product",
        "active": True,
        "created": books.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "metadata": {},
        "name": name,
        "tax_code": None,
        "type": "service",
        "updated": books.now(),
        "url": None,
        **fields,
    }
    books.keep(made)
    return made


def new_price(
    books: Books,
    unit_amount: int,
    currency: str,
    *,
    product: str,
    recurring: Object | None,
    metadata: Mapping[str, str] | None = None,
    nickname: str | None = None,
) -> Object:
    """Return a price of a product, which exists from now on; of one sale where nothing recurs."""
    made: Object = {
        "id": books.new_id("price_"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": books.now(),
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
    books.keep(made)
    return made


def recurring(interval: str, interval_count: int = 1, *, usage_type: str = "licensed") -> Object:
    """Return how a price recurs."""
    return {"interval": interval, "interval_count": interval_count, "meter": None, "usage_type": usage_type}


def seconds_of(price: Object) -> int:
    """Return how long a period at a recurring price is."""
    return PERIODS[price["recurring"]["interval"]] * int(price["recurring"]["interval_count"])


def ordered_prices(books: Books, ordered: Order) -> list[tuple[str, int]]:
    """Return the price of each item of an order, and how many times; one that was only described is made."""
    whole = OrderedItem(unit_amount=ordered.amount, quantity=1, product=ordered.product)
    recurs = recurring(ordered.interval, ordered.interval_count) if ordered.mode == "subscription" else None
    return [
        (one.price or _price(books, one, ordered.currency, recurs), one.quantity) for one in ordered.items or (whole,)
    ]


def _price(books: Books, item: OrderedItem, in_currency: str, recurs: Object | None) -> str:
    product = new_product(books, item.product, tax_code=item.tax_code)
    made = new_price(books, item.unit_amount, in_currency, product=product["id"], recurring=recurs)
    made["tax_behavior"] = item.tax_behavior
    return str(made["id"])
