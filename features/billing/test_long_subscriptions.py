"""A subscription's later invoices leave alone what ended before them."""

from features.billing.payloads import MONTHLY, WEEKLY, invoice, line
from features.billing.world import World, delivered_in_every_way, paid

SWITCHED = invoice(
    "in_2",
    line("il_2", -810, MONTHLY, days=(3, 30), proration=True, gives_back=("in_1", "il_1")),
    line("il_3", 300, WEEKLY, days=(3, 10)),
    paid=3,
    reason="subscription_update",
)


async def test_a_period_that_was_followed_ends_once() -> None:
    """What the invoice of its week gives back reaches to the month's end; the week's credits do not."""
    world = World()
    first = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")
    weeks = [
        invoice(f"in_{number}", line(f"il_{number}", 300, WEEKLY, days=(start, start + 7)), paid=start + 0.05)
        for number, start in ((4, 10), (5, 17), (6, 24))
    ]
    await world.deliver(paid(first), paid(SWITCHED), *map(paid, weeks))
    assert 10.05 == world.grants["in_2@10"][1]
    assert {"in_1@30": (10, 33), "in_6@31": (30, 34)}.items() <= world.grants.items()
    await world.check()


async def test_the_next_payment_ends_what_waited_for_it_in_any_order() -> None:
    """Also where the next period did not begin as the last one ended."""
    first = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")
    later = invoice("in_3", line("il_4", 300, WEEKLY, days=(31, 38)), paid=31.5)
    ways = await delivered_in_every_way([paid(first), paid(SWITCHED), paid(later)])
    assert [31.5] * len(ways) == [grants["in_1@30"][1] for grants in ways.values()]
