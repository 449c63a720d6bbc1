"""Histories that look ordinary to a merchant and are easily valued wrong."""

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from domain.changes.inbox import EventStatus
from features.billing.packs import session
from features.billing.payloads import (
    ANNUAL,
    MONTHLY,
    PRO,
    USER,
    Payload,
    StripePrice,
    ended,
    in_new_shape,
    invoice,
    line,
)
from features.billing.reversals import credit_note, dispute, refund
from features.billing.world import PLANS, StripeEvent, World, delivered_in_every_way, paid, plan

shapes = pytest.mark.parametrize("shape", [lambda old: old, in_new_shape], ids=["old", "new"])
Shape = Callable[[Payload], Payload]


def bill(id_: str, *lines: Payload, at: float, shape: Shape, **how: Any) -> StripeEvent:
    return paid(shape(invoice(id_, *lines, paid=at, **how)))


def first(shape: Shape, price: StripePrice = MONTHLY, days: float = 30, **how: Any) -> StripeEvent:
    return bill("in_1", line("il_1", price.amount, price, days=(0, days)), at=0, shape=shape, **how)


@shapes
async def test_what_was_given_back_long_ago_stays_given_back(shape: Shape) -> None:
    """Annual, monthly on day 3, pro on day 18, renewals: the monthly period's other half is not given once more."""
    found = [
        first(shape, ANNUAL, 365),
        bill(
            "in_2",
            line("il_2", -8926, ANNUAL, days=(3, 365), proration=True, gives_back=("in_1", "il_1")),
            line("il_3", 900, MONTHLY, days=(3, 34)),
            at=3,
            shape=shape,
        ),
        bill(
            "in_3",
            line("il_4", -450, MONTHLY, days=(18.5, 34), proration=True, gives_back=("in_2", "il_3")),
            line("il_5", 2450, PRO, days=(18.5, 34), proration=True),
            at=18.5,
            shape=shape,
        ),
        bill("in_4", line("il_6", 4900, PRO, days=(34, 64)), at=34.04, shape=shape),
        bill("in_5", line("il_7", 4900, PRO, days=(64, 94)), at=64.04, shape=shape),
    ]
    expected = {
        "in_1@365": (9, 368),
        "in_2@34": (50, 34.04),
        "in_3@34": (500, 34.04),
        "in_4@64": (1000, 64.04),
        "in_5@94": (1000, 97),
    }
    ways = await delivered_in_every_way(found)
    assert dict.fromkeys(ways, expected) == ways


@shapes
async def test_a_price_that_its_metadata_names_goes_on(shape: Shape) -> None:
    """The renewal and more seats of a price with `credence_plan` in its metadata are of that plan, too."""
    price = StripePrice(id="price_meta", amount=777, metadata={"credence_plan": "monthly"})
    found = [
        first(shape, price),
        bill(
            "in_2",
            line("il_2", -388, price, days=(15, 30), proration=True),
            line("il_3", 1164, price, days=(15, 30), proration=True, quantity=3),
            at=15,
            shape=shape,
        ),
        bill("in_3", line("il_4", 2331, price, days=(30, 60), quantity=3), at=30.04, shape=shape),
    ]
    ways = await delivered_in_every_way(found, prices=(price,))
    held = {way: {name: credits_ for name, (credits_, _) in grants.items()} for way, grants in ways.items()}
    assert {key: {"in_1@30": 50, "in_2@30": 149, "in_3@60": 300} for key in ways} == held


@shapes
async def test_a_new_price_of_a_plan_beside_a_listed_one(shape: Shape) -> None:
    """Monthly is listed by its id, a later price of it is not: the renewal at that price is credited in any order."""
    later = StripePrice(id="price_later", amount=900)
    listed = (attrs.evolve(PLANS[0], stripe_prices=("price_monthly",)), *PLANS[1:])
    found = [first(shape), bill("in_2", line("il_2", 900, later, days=(30, 60)), at=30.04, shape=shape)]
    ways = await delivered_in_every_way(found, plans=listed, prices=(MONTHLY, later))
    assert {key: {"in_1@30": (100, 30.04), "in_2@60": (100, 63)} for key in ways} == ways


@shapes
async def test_an_item_that_changes_to_a_price_of_no_plan_is_parked(shape: Shape) -> None:
    """Known by its id, then of an unknown price: the invoice says so, and is not ignored."""
    odd = StripePrice(id="price_odd", amount=777)
    listed = (attrs.evolve(PLANS[0], stripe_prices=("price_monthly",)), *PLANS[1:])
    world = World(listed, (MONTHLY, odd))
    await world.deliver(first(shape))
    outcome = await world.deliver(bill("in_2", line("il_2", 777, odd, days=(30, 60)), at=30.04, shape=shape))
    assert (EventStatus.PARKED, "price_disagrees: price_odd") == (outcome.status, outcome.reason)


@shapes
async def test_several_changes_under_a_whole_discount(shape: Shape) -> None:
    """Ten days of pro between monthly, all for nothing, billed together: 333 for these, and monthly for the rest."""

    def free(id_: str, price: StripePrice, start: float, names: tuple[str, str] | None = None) -> Payload:
        return line(id_, 0, price, days=(start, 30), proration=True, gives_back=names)

    start = line("il_1", 900, MONTHLY, days=(0, 30), discount=900)
    world = World()
    await world.deliver(bill("in_1", start, at=0, shape=shape, discounted=True))
    await world.deliver(
        bill(
            "in_2",
            free("ii_1", MONTHLY, 10, ("in_1", "il_1")),
            free("ii_2", PRO, 10),
            free("ii_3", PRO, 20),
            free("ii_4", MONTHLY, 20),
            at=20,
            shape=shape,
            discounted=True,
        )
    )
    # Paid ten days after they began, the rests last twenty days from then.
    assert {"in_1@30": (33, 33), "in_2@30": (366, 40)} == world.grants


@shapes
async def test_a_price_of_fractions_of_a_cent(shape: Shape) -> None:
    """1,000 units at 1.5 cents, then 2,000 at half time: 1,500 credits, in either shape."""
    plans = (plan("units", 1, 1, stripe_prices=("price_units",)),)
    price = StripePrice(id="price_units", amount=1)

    def exact(about: Payload) -> Payload:
        shown = shape(about)
        for one in shown["lines"]["data"]:
            if "price" in one:
                one["price"] = {**one["price"], "unit_amount": None, "unit_amount_decimal": "1.5"}
            elif not one["parent"]["subscription_item_details"]["proration"]:
                one["pricing"] = {**one["pricing"], "unit_amount_decimal": "1.5"}
        return shown

    world = World(plans, (price,))
    await world.deliver(paid(exact(invoice("in_1", line("il_1", 1500, price, days=(0, 30), quantity=1000), paid=0))))
    await world.deliver(
        paid(
            exact(
                invoice(
                    "in_2",
                    line("il_2", -750, price, days=(15, 30), proration=True, quantity=1000),
                    line("il_3", 1500, price, days=(15, 30), proration=True, quantity=2000),
                    paid=15,
                )
            )
        )
    )
    assert 1500 == await world.balance()


@shapes
async def test_an_end_that_is_far_ahead_takes_no_grace(shape: Shape) -> None:
    """To be cancelled in a year: the renewal a month from now is still waited for."""
    world = World()
    await world.deliver(first(shape))
    later = {**ended(30, status="active"), "cancel_at": (1767268800 + 365 * 86_400)}
    await world.deliver(StripeEvent(type="customer.subscription.updated", about=later, days=1))
    assert {"in_1@30": (100, 33)} == world.grants


@shapes
async def test_a_short_rest_that_is_billed_with_the_renewal(shape: Shape) -> None:
    """The last day of the month in pro, billed with the renewal, lasts a day from its payment on."""
    world = World()
    await world.deliver(
        first(shape),
        bill(
            "in_2",
            line("il_2", -30, MONTHLY, days=(29, 30), proration=True),
            line("il_3", 163, PRO, days=(29, 30), proration=True),
            line("il_4", 4900, PRO, days=(30, 60)),
            at=30.04,
            shape=shape,
        ),
    )
    assert {"in_1@30": (96, 30.04), "in_2@30": (33, 31.04), "in_2@60": (1000, 63)} == world.grants


@shapes
async def test_a_dispute_that_is_won_in_another_currency_is_whole(shape: Shape) -> None:
    """What was withdrawn and given back differs by the exchange rate: the customer keeps every credit."""
    moves = {"txn_1": (-3800, "gbp"), "txn_2": (3700, "gbp")}
    won = dispute("dp_1", 900, "in_1", status="won", moves=moves)
    found = [
        first(shape),
        StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 900, "in_1"), days=2),
        StripeEvent(type="charge.dispute.closed", about=won, days=9),
        StripeEvent(type="charge.dispute.funds_reinstated", about=won, days=10),
    ]
    ways = await delivered_in_every_way(found)
    assert {key: [(100, 33)] for key in ways} == {way: [*grants.values()] for way, grants in ways.items()}


@shapes
async def test_a_credited_line_of_another_name_is_found_in_its_invoice(shape: Shape) -> None:
    """Stripe names the invoice that is credited, and a line by an id that was not told: it is the item's own line."""
    world = World()
    await world.deliver(first(shape))
    half = line("il_2", -450, MONTHLY, days=(15, 30), proration=True, gives_back=("in_1", "il_of_another_version"))
    await world.deliver(bill("in_2", half, at=15, shape=shape))
    assert 50 == await world.balance()


@shapes
async def test_what_is_free_beside_a_plan_is_no_trial(shape: Shape) -> None:
    """An add-on that costs nothing brings no trial credits."""
    addon = StripePrice(id="price_addon", amount=0, product="prod_addon")
    plans = (plan("monthly", 100, 900, trial_credits=20),)
    world = World(plans, (MONTHLY, addon))
    await world.deliver(
        bill(
            "in_1",
            line("il_1", 900, MONTHLY, days=(0, 30)),
            line("il_2", 0, addon, days=(0, 30), item="si_2"),
            at=0,
            shape=shape,
            metadata={"userId": USER, "plan": "monthly", "credence_terms": "100/900/usd"},
        )
    )
    assert 100 == await world.balance()


async def test_one_payment_of_two_invoices_asks_for_prices_of_both() -> None:
    """An upgrade that shares its payment with the invoice before it is valued like any other."""
    world = World()
    await world.deliver(first(in_new_shape))
    upgrade = invoice(
        "in_2",
        line("il_2", -450, MONTHLY, days=(15, 30), proration=True),
        line("il_3", 2450, PRO, days=(15, 30), proration=True),
        paid=15,
    )
    await world.deliver(paid(in_new_shape({**upgrade, "payment_intent": "pi_in_1"})))
    assert 550 == await world.balance()


async def test_a_note_of_more_lines_than_it_shows_counts_as_a_whole() -> None:
    """Of what it does not show nobody knows the line."""
    fee = line("il_2", 1000, StripePrice(id="price_fee", amount=1000), days=(0, 0), fee=True)
    world = World()
    await world.deliver(bill("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), fee, at=0, shape=lambda old: old))
    note = credit_note("cn_1", "in_1", after=1900, lines={"il_2": 1000})
    note["lines"]["has_more"] = True
    await world.deliver(StripeEvent(type="credit_note.created", about=note, days=1))
    assert 0 == await world.balance()


async def test_an_invoice_that_does_not_say_when_it_was_paid() -> None:
    """Then its event does: a week that was paid on day 11 lasts until day 18."""
    weekly = StripePrice(id="price_weekly", amount=300, interval="week")
    about = invoice("in_1", line("il_1", 300, weekly, days=(0, 7)), paid=11)
    del about["status_transitions"]
    world = World()
    await world.deliver(StripeEvent(type="invoice.paid", about=about, days=11))
    assert {"in_1@7": (30, 18)} == world.grants


async def test_discounts_that_are_null_are_found_at_the_invoice() -> None:
    """Half off, reported by the invoice alone: all of what was paid is refunded, and nothing stays."""
    one = {**line("il_1", 900, MONTHLY, days=(0, 30)), "discount_amounts": None}
    about = {
        **invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, discounted=True),
        "lines": {"object": "list", "data": [one], "has_more": False},
        "subtotal": 900,
        "total": 450,
        "total_discount_amounts": [{"amount": 450, "discount": "di_1"}],
    }
    world = World()
    await world.deliver(paid(about))
    await world.deliver(StripeEvent(type="refund.created", about=refund("re_1", 450, "in_1"), days=1))
    assert 0 == await world.balance()


@shapes
async def test_the_rest_of_a_free_plan_is_no_unused_time(shape: Shape) -> None:
    """Pro to free at half time: half of pro's credits, and half of the free plan's."""
    free = StripePrice(id="price_free", amount=0)
    world = World((*PLANS, plan("free", 30, 0, stripe_prices=("price_free",))), (PRO, free))
    await world.deliver(first(shape, PRO))
    await world.deliver(
        bill(
            "in_2",
            line("il_2", -2450, PRO, days=(15, 30), proration=True, gives_back=("in_1", "il_1")),
            line("il_3", 0, free, days=(15, 30), proration=True),
            at=15,
            shape=shape,
        )
    )
    assert 515 == await world.balance()


@shapes
async def test_what_costs_nothing_is_given_once_for_any_quantity(shape: Shape) -> None:
    """Fifty of a free plan are one of it."""
    free = StripePrice(id="price_free", amount=0)
    world = World((plan("free", 30, 0, stripe_prices=("price_free",)),), (free,))
    await world.deliver(bill("in_1", line("il_1", 0, free, days=(0, 30), quantity=50), at=0, shape=shape))
    assert 30 == await world.balance()


@shapes
async def test_what_is_given_back_unspent_after_its_end_expires(shape: Shape) -> None:
    """Disputed unspent, won after the period: it would have expired, and does; what had been spent stays."""
    disputed = StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 900, "in_1"), days=5)
    won = StripeEvent(type="charge.dispute.closed", about=dispute("dp_1", 900, "in_1", status="won"), days=60)
    unspent, spent = World(), World()
    for world, credits_ in ((unspent, 0), (spent, 70)):
        await world.deliver(first(shape))
        if credits_:
            await world.spend(credits_)
        await world.deliver(disputed)
        assert -credits_ == await world.balance()
        await (await world.at(60)).deliver(won)
        await world.at(60.01)
        await world.check()
    # Of 30 that were taken unspent nothing is left; 70 pay what was owed.
    assert (0, 0) == (await unspent.balance(), await spent.balance())


@shapes
async def test_a_refund_that_fails_is_reported_late_in_any_order(shape: Shape) -> None:
    """Paid, refunded and not refunded after all, reported after the period's end: nothing is left in any order."""
    found = [
        first(shape),
        StripeEvent(type="refund.created", about=refund("re_1", 900, "in_1"), days=5),
        StripeEvent(type="refund.failed", about=refund("re_1", 900, "in_1", status="failed"), days=9),
    ]
    for order in (found, found[::-1], [found[0], found[2], found[1]]):
        world = await World().at(40)
        await world.deliver(*order)
        await world.at(40.01)
        await world.check()
        assert 0 == await world.balance()


@pytest.mark.parametrize("won", [9000, 4500], ids=["whole", "half"])
async def test_what_a_dispute_took_of_other_credits_returns_to_them(won: int) -> None:
    """Annual, monthly on day 3, a pack; annual disputed, and won: in every order as if nothing had been disputed."""
    reported = [
        first(lambda old: old, ANNUAL, 365),
        bill(
            "in_2",
            line("il_2", -8926, ANNUAL, days=(3, 365), proration=True, gives_back=("in_1", "il_1")),
            line("il_3", 900, MONTHLY, days=(3, 34)),
            at=3,
            shape=lambda old: old,
        ),
        StripeEvent(type="checkout.session.completed", about=session(), days=4),
        StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 9000, "in_1"), days=5),
        StripeEvent(
            type="charge.dispute.funds_reinstated",
            about=dispute(
                "dp_1", 9000, "in_1", status="under_review", moves={"txn_1": (-9000, "usd"), "txn_2": (won, "usd")}
            ),
            days=9,
        ),
    ]
    found = []
    for order in itertools.permutations(reported):
        world = World()
        await world.deliver(*order, *order)
        await world.check()
        # An invoice's purchase has the name by which it was heard of first.
        found.append((await world.balance(), {name.removeprefix("pi_"): grant for name, grant in world.grants.items()}))
    assert [found[0]] * len(found) == found
    assert found[0][0] == {9000: 159, 4500: -441}[won]
    if won == 9000:
        assert {"in_1@365": (9, 368), "in_2@34": (100, 37), "1": (50, None)} == found[0][1]
