"""Unused time whose line Stripe does not name, given back as of a moment or at a price at which nothing was billed."""

import attrs
import pytest

from features.billing.payloads import MONTHLY, PRO, Payload, StripePrice, in_new_shape, invoice, line
from features.billing.world import World

FIRST = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")
FIRST_PRO = invoice("in_1", line("il_1", 4900, PRO, days=(0, 30)), paid=0, reason="subscription_create")
NEVER_BILLED = StripePrice(id="price_low", amount=500)
ADDON = attrs.evolve(NEVER_BILLED, id="price_addon", product="prod_addon")


def proration(id_: str, amount: int, price: StripePrice, day: float) -> Payload:
    """Return a proration that names no item."""
    return {**line(id_, amount, price, days=(day, 30), proration=True), "subscription_item": None}


def switch(
    id_: str, day: float, back: tuple[int, StripePrice], rest: tuple[int, StripePrice], *, made: float | None = None
) -> Payload:
    """Return the invoice of a change as of a day, that was made then or later."""
    lines = proration(f"{id_}_back", -back[0], back[1], day), proration(f"{id_}_rest", rest[0], rest[1], day)
    return invoice(id_, *lines, paid=day if made is None else made, reason="subscription_update")


UP = switch("in_2", 15, (450, MONTHLY), (2450, PRO))
BACK = switch("in_3", 14.99, (2452, PRO), (450, MONTHLY), made=15.01)
UP_AGAIN = switch("in_4", 15.02, (450, MONTHLY), (2450, PRO))
BACK_AGAIN = switch("in_5", 15.01, (2450, PRO), (450, MONTHLY), made=15.03)


@pytest.mark.parametrize("shape", [lambda one: one, in_new_shape], ids=["old", "new"])
@pytest.mark.parametrize(
    ("invoices", "expected"),
    [
        pytest.param([FIRST, UP, BACK], 50 + 0 + 50, id="as of a moment before the line began"),
        pytest.param(
            [FIRST, UP, BACK, UP_AGAIN, BACK_AGAIN], 50 + 0 + 0 + 0 + 50, id="again, after an earlier line of the price"
        ),
        pytest.param(
            [FIRST_PRO, switch("in_2", 15, (250, NEVER_BILLED), (2450, PRO))],
            1000 - 1000 * 250 // 4900 - 1 + 500,
            id="at a price that was never billed",
        ),
        pytest.param(
            [FIRST, UP, switch("in_3", 20, (300, MONTHLY), (1633, PRO))],
            50 + 500 - 500 * 300 // 2450 - 1 + 333,
            id="at a price that was billed before the newest line",
        ),
        pytest.param(
            [FIRST, invoice("in_2", proration("il_2", -250, ADDON, 15), paid=15, reason="subscription_update")],
            100,
            id="of something else that was removed",
        ),
    ],
)
async def test_it_takes_from_the_line_that_was_in_force(invoices: list[Payload], expected: int, shape: object) -> None:
    """That is the newest one of the item, in whatever order the invoices are reported."""
    assert callable(shape)
    for reported in (invoices, list(reversed(invoices))):
        world = World()
        for one in reported:
            await world.pay(shape(one))
        assert expected == await world.balance()
        await world.check()
