"""Terms are recorded with a line when it is first decided; what can't be known yet waits until Stripe answers."""

import attrs
import pytest

from domain.changes.inbox import EventStatus
from domain.values.money import Money
from domain.values.plans import Catalogue, Terms
from features.billing.payloads import MONTHLY, PRO, USER, StripePrice, in_new_shape, invoice, line
from features.billing.world import PLANS, StripeEvent, World, paid, plan

GENEROUS = tuple(attrs.evolve(one, terms=attrs.evolve(one.terms, credits=one.terms.credits * 2)) for one in PLANS)


def first(price: StripePrice = MONTHLY) -> StripeEvent:
    lines = line("il_1", price.amount, price, days=(0, 30))
    return paid(in_new_shape(invoice("in_1", lines, paid=0, reason="subscription_create")))


def cancelled_at_half() -> StripeEvent:
    lines = line("il_2", -450, MONTHLY, days=(15, 30), proration=True)
    return paid(in_new_shape(invoice("in_2", lines, paid=15, reason="subscription_update")))


def with_catalogue(world: World, plans: tuple[object, ...]) -> World:
    """The same ledger, as a process with another catalogue sees it."""
    catalogue = Catalogue({one.id: one for one in plans})  # type: ignore[attr-defined]
    world.recorder = attrs.evolve(world.recorder, catalogue=catalogue)
    return world


async def test_what_was_granted_is_taken_whatever_the_plan_brings_now() -> None:
    """Sold at 100 credits; the plan brings 200 when half of the month is given back: 50 stay."""
    world = World()
    await world.deliver(first())
    await with_catalogue(world, GENEROUS).deliver(cancelled_at_half())
    assert 50 == await world.balance()


async def test_another_catalogue_never_values_a_line_again() -> None:
    """The invoice reported again to a process with another catalogue, or with none of its plans, changes nothing."""
    world = World()
    await world.deliver(first())
    for plans in (GENEROUS, (plan("other", 7, 111),)):
        again = attrs.evolve(first(), type="invoice.payment_succeeded")
        assert EventStatus.NOTHING_NEW == (await with_catalogue(world, plans).deliver(again)).status
    assert 100 == await world.balance()


async def test_an_unknown_price_waits_for_stripe() -> None:
    """While Stripe can't be asked an invoice of unknown prices is parked; once it answers, it is credited."""
    world = World()
    world.payments.is_away = True
    assert (EventStatus.PARKED, "incomplete_invoice") == await _outcome(world, first(PRO))
    assert 0 == await world.balance()
    world.payments.is_away = False
    assert EventStatus.APPLIED == (await world.deliver(first(PRO))).status
    assert 1000 == await world.balance()


async def test_a_price_as_agreed_needs_no_answer() -> None:
    """A sale of ours records its terms: a period at that price is credited while Stripe is away."""
    world = World()
    world.payments.is_away = True
    agreed = {"userId": USER, "plan": "monthly", "credence_terms": "100/900/usd"}
    lines = line("il_1", 900, MONTHLY, days=(0, 30))
    await world.deliver(paid(in_new_shape(invoice("in_1", lines, paid=0, metadata=agreed))))
    assert 100 == await world.balance()


def agreed() -> StripeEvent:
    """The first invoice of a checkout of ours, at the terms of its day."""
    metadata = {"userId": USER, "plan": "monthly", "credence_terms": "100/900/usd"}
    lines = line("il_1", 900, MONTHLY, days=(0, 30))
    return paid(in_new_shape(invoice("in_1", lines, paid=0, reason="subscription_create", metadata=metadata)))


async def test_a_price_that_we_made_is_known_for_ever() -> None:
    """Another subscription of that price is of the plan, at the terms of that day, though nothing else says so."""
    world = World()
    await world.deliver(agreed())
    dearer = tuple(
        attrs.evolve(one, terms=Terms(credits=70, price=Money(amount=1200, currency="usd"))) for one in PLANS[:1]
    )
    with_catalogue(world, dearer)
    world.payments.is_away = True
    by_hand = line("il_2", 1800, MONTHLY, days=(40, 70), quantity=2)
    await world.deliver(paid(in_new_shape(invoice("in_2", by_hand, paid=40, subscription="sub_2"))))
    assert {"in_1@30": (100, 33), "in_2@70": (200, 73)} == world.grants


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_beside_a_price_that_we_made_an_amount_decides_nothing(order: tuple[int, int]) -> None:
    """Another item that costs as much as a plan is no second plan, whichever invoice is reported first."""
    other = StripePrice(id="price_other", amount=4900, product="prod_other")
    metadata = {"userId": USER, "plan": "monthly", "credence_terms": "100/900/usd"}
    both = line("il_2", 900, MONTHLY, days=(30, 60)), line("il_3", 4900, other, days=(30, 60), item="si_other")
    reported = agreed(), paid(in_new_shape(invoice("in_2", *both, paid=30, metadata=metadata)))
    world = World(prices=(MONTHLY, other))
    await world.deliver(*(reported[place] for place in order))
    assert {"in_1@30": (100, 30), "in_2@60": (100, 63)} == world.grants


async def test_a_price_of_no_plan_is_parked_by_its_id_until_the_catalogue_lists_it() -> None:
    """A price that fits no plan parks the invoice with its id; listed in `stripe_prices`, it is credited."""
    odd = StripePrice(id="price_odd", amount=777)
    world = World(prices=(odd,))
    assert (EventStatus.PARKED, "price_disagrees: price_odd") == await _outcome(world, first(odd))
    listed = (*PLANS[1:], attrs.evolve(PLANS[0], stripe_prices=("price_odd",)))
    await with_catalogue(world, listed).deliver(first(odd))
    assert 100 == await world.balance()


async def test_the_metadata_of_a_price_names_its_plan_and_credits() -> None:
    """`credence_plan` and `credence_credits` of a price decide, whatever it costs."""
    odd = StripePrice(id="price_odd", amount=777, metadata={"credence_plan": "pro", "credence_credits": "55"})
    world = World(prices=(odd,))
    await world.deliver(first(odd))
    assert 55 == await world.balance()


async def _outcome(world: World, events: StripeEvent) -> tuple[EventStatus, str | None]:
    recorded = await world.deliver(events)
    return recorded.status, recorded.reason
