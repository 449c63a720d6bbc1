"""Checkouts of several packs, of packs in any number, and of packs beside other things: each brings its credits."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.stripe.objects.items import read_items
from domain.changes.inbox import EventStatus
from features.billing.packs import NAMED, by_hand, completed, item, refund_of, session
from features.billing.payloads import USER, Payload
from features.billing.world import StripeEvent, World, paid, plan

BIG = plan("big", 300, 2500, None)
BY_ID = plan("by_id", 70, 700, None, stripe_prices=("price_seventy",))
PLANS = (plan("pack", 50, 500, None), BIG, BY_ID, plan("monthly", 100, 900))
ANYONE_S = {"userId": USER}


async def sold(
    *items: Payload, metadata: Payload | None = None, plans: Sequence[object] = PLANS, **more: object
) -> World:
    """Return the world after a session of these items was reported."""
    world = World(plans=plans)  # type: ignore[arg-type]  # plans
    world.payments.teach_items("cs_1", read_items(items))
    subtotal = sum(one["amount_subtotal"] for one in items)
    about = session(subtotal=subtotal, metadata=ANYONE_S if metadata is None else metadata, **more)  # type: ignore[arg-type]  # fields by name
    await world.deliver(completed(about))
    await world.check()
    return world


async def balance_after(*items: Payload, **how: Any) -> int:
    """Return the credits on the account after a session of these items was reported."""
    return await (await sold(*items, **how)).balance()


async def reason_of(world: World, items: Sequence[Payload], metadata: Payload = ANYONE_S) -> str | None:
    """Return why the session of these items waits."""
    subtotal = sum(one["amount_subtotal"] for one in items)
    return (await world.deliver(completed(session(subtotal=subtotal, metadata=metadata)))).reason


@pytest.mark.parametrize("metadata", [NAMED, ANYONE_S, {**NAMED, "credence_terms": "50/500/usd"}])
async def test_a_pack_is_sold_any_number_of_times_at_once(metadata: Payload) -> None:
    """A payment link lets the buyer choose how many."""
    assert 150 == await balance_after(item("li_1", 1500, quantity=3), metadata=metadata)


async def test_terms_that_were_agreed_hold_for_each() -> None:
    """The price and credits that the session recorded, not those of today's catalogue."""
    agreed = {**NAMED, "credence_terms": "60/400/usd"}
    assert 120 == await balance_after(item("li_1", 800, quantity=2), metadata=agreed)


async def test_two_packs_are_sold_together() -> None:
    """Each by its own price; one by its price's id whatever it costs, one by its price's metadata."""
    assert 400 == await balance_after(item("li_1", 1000, quantity=2), item("li_2", 2500))
    assert 120 == await balance_after(item("li_1", 650, price="price_seventy"), item("li_2", 500))
    marked = item("li_2", 100, metadata={"credence_plan": "big", "credence_credits": "7"})
    assert 57 == await balance_after(item("li_1", 500), marked)


async def test_a_pack_beside_another_product_brings_its_credits_alone() -> None:
    """The other product costs what no pack costs."""
    assert 50 == await balance_after(item("li_1", 500), item("li_2", 2000), metadata=NAMED)
    assert 70 == await balance_after(item("li_1", 700, price="price_seventy"), item("li_2", 700))


async def test_a_refund_takes_its_share_of_all_that_was_paid() -> None:
    """Nobody says for which of the items it is."""
    world = await sold(item("li_1", 500), item("li_2", 1500), metadata=NAMED)
    await world.deliver(refund_of("pi_1", 500))
    assert 37 == await world.balance()


async def test_a_discount_of_the_whole_leaves_the_credits() -> None:
    """What costs nothing is sold all the same."""
    assert 100 == await balance_after(item("li_1", 1000, quantity=2), total=0, intent=None)


async def test_items_that_nobody_can_distinguish_wait() -> None:
    """Two packs of one price, or two products of the price of one pack."""
    twins = (*PLANS, plan("twin", 80, 500, None))
    items = [item("li_1", 1000, quantity=2)]
    world = World(plans=twins)
    world.payments.teach_items("cs_1", read_items(items))
    assert "plan_ambiguous: price_li_1" == await reason_of(world, items)
    assert 100 == await balance_after(*items, metadata=NAMED, plans=twins)
    products = [item("li_1", 500), item("li_2", 500)]
    world = World(plans=PLANS)
    world.payments.teach_items("cs_1", read_items(products))
    assert "plan_ambiguous: price_li_1" == await reason_of(world, products)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [(NAMED, "price_disagrees"), (ANYONE_S, "unknown_plan"), ({**NAMED, "plan": "x"}, "unknown_plan")],
)
async def test_a_session_of_other_things_waits(metadata: Payload, reason: str) -> None:
    """It has our metadata, and nothing in it is a pack."""
    world, items = World(plans=PLANS), [item("li_1", 4200)]
    world.payments.teach_items("cs_1", read_items(items))
    assert reason == await reason_of(world, items, metadata)
    assert 0 == await world.balance()


async def test_a_price_that_does_not_count_by_pieces_waits() -> None:
    """Tiers, packages of ten, or an amount that the customer chose."""
    world = World(plans=PLANS)
    tiers = item("li_1", 1400, quantity=2, price="price_seventy")
    tiers["price"] |= {"billing_scheme": "tiered"}
    world.payments.teach_items("cs_1", read_items([tiers]))
    assert "price_disagrees: price_seventy" == await reason_of(world, [tiers])


async def test_a_session_waits_while_stripe_can_not_be_asked_for_its_items() -> None:
    """And is asked about once; a session of the promised price never."""
    world, items = World(plans=PLANS), [item("li_1", 1500, quantity=3)]
    world.payments.teach_items("cs_1", read_items(items))
    world.payments.is_away = True
    event = completed(session(subtotal=1500, metadata=NAMED))
    recorded = await world.deliver(event)
    assert (EventStatus.PARKED, "incomplete_invoice") == (recorded.status, recorded.reason)
    promised = session("cs_2", intent="pi_2")
    assert EventStatus.APPLIED == (await world.deliver(completed(promised))).status
    world.payments.is_away = False
    await world.deliver(event)
    world.payments.is_away = True
    again = StripeEvent(type="checkout.session.async_payment_succeeded", about=event.about, days=1)
    assert EventStatus.NOTHING_NEW == (await world.deliver(again)).status
    assert 200 == await world.balance()


async def test_the_credits_of_a_cart_end_together() -> None:
    """Never, where one of its packs never ends; else with the one that lasts longest."""
    days = (plan("ten", 10, 100, None, expires_after_days=10), plan("thirty", 30, 300, None, expires_after_days=30))
    short = await sold(item("li_1", 100), item("li_2", 300), plans=days)
    assert {"pi_1": (40, 30.0)} == short.grants
    lasting = await sold(item("li_1", 100), item("li_2", 500), plans=(*days, *PLANS))
    assert {"pi_1": (60, None)} == lasting.grants


async def test_an_invoice_by_hand_shows_its_items() -> None:
    """So nothing has to be asked for."""
    pieces = {"price": {"id": "price_1", "unit_amount": 500, "currency": "usd", "product": "prod_1"}}
    line = {"id": "il_1", "type": "invoiceitem", "amount": 1500, "quantity": 3, "currency": "usd", **pieces}
    world = World(plans=PLANS)
    await world.deliver(paid(by_hand(amount=1500, lines=[line], payment_intent="pi_1")))
    assert 150 == await world.balance()


async def test_the_prices_of_an_invoice_by_hand_are_asked_for_once() -> None:
    """In new API versions its lines show no metadata of theirs, and no product that tells two apart."""
    marked = item("li_1", 1500, quantity=3, price="price_1", metadata={"credence_plan": "big", "credence_credits": "9"})
    line = {
        "id": "il_1",
        "amount": 1500,
        "quantity": 3,
        "quantity_decimal": "3",
        "currency": "usd",
        "parent": {"type": "invoice_item_details", "invoice_item_details": {"proration": False}},
        "pricing": {"price_details": {"price": "price_1", "product": "prod_1"}, "unit_amount_decimal": "500"},
    }
    world = World(plans=PLANS)
    reported = paid(by_hand(amount=1500, lines=[line], payments={"data": []}))
    world.payments.is_away = True
    assert "incomplete_invoice" == (await world.deliver(reported)).reason
    world.payments.is_away = False
    world.payments.teach_price(read_items([marked])[0].price)
    await world.deliver(reported)
    assert 27 == await world.balance()
