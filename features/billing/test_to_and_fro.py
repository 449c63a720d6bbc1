"""Twenty switches from month to year and back leave one plan's credits: under coupons, in every shape, in any order."""

from collections.abc import Callable
from typing import Literal

import pytest

from features.billing.payloads import ANNUAL, MONTHLY, Payload, StripePrice, in_new_shape, invoice, line
from features.billing.world import StripeEvent, World, paid

TURNS = 20
LENGTH = {MONTHLY.id: 30, ANNUAL.id: 365}

Mode = Literal["classic", "included", "itemized"]


def switches(shape: Callable[[Payload], Payload], coupon: int, mode: Mode, every: float) -> list[StripeEvent]:
    """Monthly, then annual, then monthly and so on, each time with a new period that is charged at once."""

    def priced(
        id_: str,
        amount: int,
        price: StripePrice,
        days: tuple[float, float],
        *,
        gives_back: tuple[str, str] | None = None,
        is_proration: bool = False,
    ) -> Payload:
        off = round(amount * coupon / 100)
        if is_proration and mode != "itemized":
            # Stripe shows these after discounts only, and in classic billing may not say what is credited.
            named = gives_back if mode == "included" else None
            return line(id_, amount - off, price, days=days, proration=True, gives_back=named)
        return line(id_, amount, price, days=days, proration=is_proration, discount=off, gives_back=gives_back)

    first = priced("il_0", 900, MONTHLY, (0, 30))
    bill = invoice("in_0", first, paid=0, reason="subscription_create", discounted=coupon > 0)
    found = [paid(shape(bill))]
    price, begins = MONTHLY, 0.0
    for turn in range(TURNS):
        now, ends = (turn + 1) * every, begins + LENGTH[price.id]
        new = ANNUAL if price is MONTHLY else MONTHLY
        unused = -round(price.amount * (ends - now) / LENGTH[price.id])
        credited = (f"in_{turn}", f"il_{turn}")
        found.append(
            paid(
                shape(
                    invoice(
                        f"in_{turn + 1}",
                        priced(f"ii_{turn}", unused, price, (now, ends), gives_back=credited, is_proration=True),
                        priced(f"il_{turn + 1}", new.amount, new, (now, now + LENGTH[new.id])),
                        paid=now,
                        reason="subscription_update",
                        discounted=coupon > 0,
                    )
                )
            )
        )
        price, begins = new, now
    return found


async def grants_of(events: list[StripeEvent]) -> dict[str, tuple[int, float | None]]:
    """Report the events, and return what remains of each grant, and when it ends."""
    world = World()
    await world.deliver(*events)
    await world.check()
    return world.grants


@pytest.mark.parametrize("shape", [lambda old: old, in_new_shape], ids=["old", "new"])
@pytest.mark.parametrize("mode", ["classic", "included", "itemized"])
@pytest.mark.parametrize("coupon", [0, 50, 100])
async def test_switching_at_once_leaves_what_is_in_force(
    coupon: int, mode: Mode, shape: Callable[[Payload], Payload]
) -> None:
    """Within minutes of each other nothing was used: the last monthly period stands alone."""
    reported = switches(shape, coupon, mode, every=1 / 1024)
    last = TURNS / 1024
    expected = {f"in_{TURNS}@{30 + last:g}": (100, round(33 + last, 4))}
    assert expected == await grants_of(reported)
    assert expected == await grants_of([*reversed(reported), *reported[:3]])


@pytest.mark.parametrize("shape", [lambda old: old, in_new_shape], ids=["old", "new"])
@pytest.mark.parametrize("mode", ["classic", "included", "itemized"])
@pytest.mark.parametrize("coupon", [0, 50, 100])
async def test_switching_every_three_days_leaves_what_was_used(
    coupon: int, mode: Mode, shape: Callable[[Payload], Payload]
) -> None:
    """Three days of each period stay: 10 of a month's 100 credits, 9 of a year's 1,200; the last month is whole."""
    reported = switches(shape, coupon, mode, every=3)
    forwards = await grants_of(reported)
    assert [9] * 10 + [10] * 10 + [100] == sorted(credits_ for credits_, _ in forwards.values())
    assert forwards == await grants_of([*reversed(reported), *reported[:3]])
