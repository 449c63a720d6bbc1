"""Decimal numbers in what the stripe package answers."""

import contextlib
from fractions import Fraction

from adapters.stripe.connection import StripeConnection
from adapters.stripe.lookup import StripeLookup
from domain.payments.reports import SaleReport
from simulators.stripe.ordering.orders import order
from simulators.stripe.stand_in import StripeStandIn


async def test_decimals_of_prices_are_read() -> None:
    """Of a price that is asked for, and of a session's items."""
    price = {"currency": "usd", "unit_amount": "500", "product_data": {"name": "Credits"}}
    asked = {
        "mode": "payment",
        "success_url": "https://a.test/",
        "line_items": {"0": {"price_data": price, "quantity": "3"}},
    }
    with StripeStandIn(seed=1) as stripe:
        session_id = stripe.account.create_session(order(asked), stripe.url)["id"]
        stripe.pay(session_id)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url, retries=0)
        async with contextlib.aclosing(connection):
            lookup = StripeLookup(connection)
            sale = await lookup.sale(session_id)
            assert isinstance(sale, SaleReport)
            whole = await lookup.complete_sale(sale)
            assert isinstance(whole, SaleReport)
            (item,) = whole.items or ()
            assert (Fraction(500), 3) == (item.price.unit_amount, item.quantity)
            found = await lookup.price(item.price.id or "")
            assert found is not None
            assert Fraction(500) == found.unit_amount
