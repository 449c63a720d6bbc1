"""One payment is reported by its session, its payment intent and its invoice: it is credited once, in any order."""

import itertools
from collections.abc import Sequence

import attrs
import pytest

from domain.changes.inbox import EventStatus
from domain.payments.purchases import Link
from features.billing.packs import NAMED, OF_SESSION, by_hand, completed, intent, refund_of, session, succeeded
from features.billing.world import StripeEvent, World, paid

Links = tuple[str, ...]


async def delivered_in_all_orders(events: Sequence[StripeEvent], *joined: Links) -> set[int]:
    """Return the balances after every order of the events, each of them reported twice; Stripe knows what is joined."""
    balances = set()
    for order in itertools.permutations(events):
        world = World()
        for links in joined:
            world.payments.teach(map(Link, links))
        for one in (*order, *order):
            await world.deliver(attrs.evolve(one, id=f"{one.id}_{id(world)}"))
        await world.deliver(*(attrs.evolve(one, id=f"{one.id}_again") for one in order))
        await world.check()
        balances.add(await world.balance())
    return balances


async def test_a_checkout_of_ours_is_paid_by_its_intent_and_invoice() -> None:
    """They say that they are of a session; neither has to be looked up."""
    found = [
        completed(session(invoice="in_1")),
        succeeded(intent(metadata=OF_SESSION)),
        paid(by_hand(metadata=OF_SESSION, payment_intent="pi_1", charge="ch_pi_1")),
    ]
    assert {50} == await delivered_in_all_orders(found)
    world = World()
    world.payments.is_away = True
    await world.deliver(*found)
    assert 50 == await world.balance()


async def test_an_intent_of_a_checkout_reports_that_it_is_paid() -> None:
    """A transfer that arrives pays the session, whichever of both events is the first."""
    unpaid = completed(session(payment_status="unpaid"))
    assert {50} == await delivered_in_all_orders([unpaid, succeeded(intent(metadata=OF_SESSION), days=3)])


@pytest.mark.parametrize("metadata", [NAMED, {**NAMED, "plan": "another"}])
async def test_an_intent_of_an_older_checkout_is_looked_up(metadata: dict[str, str]) -> None:
    """It has our metadata and does not say that it is of a session; what the session orders goes before it."""
    found = [completed(session()), succeeded(intent(metadata=metadata))]
    assert {50} == await delivered_in_all_orders(found, ("payment_intent:pi_1", "session:cs_1"))


async def test_an_intent_with_neither_is_a_sale_of_its_own() -> None:
    """A saved card, or a mobile payment sheet."""
    assert {50} == await delivered_in_all_orders([succeeded(intent())])
    assert {25} == await delivered_in_all_orders(
        [succeeded(intent()), refund_of("pi_1", 250)], ("payment_intent:pi_1",)
    )


async def test_an_intent_waits_where_stripe_can_not_be_asked() -> None:
    """Nobody knows by then whether a session orders the same."""
    world = World()
    world.payments.is_away = True
    reported = succeeded(intent())
    recorded = await world.deliver(reported)
    assert (EventStatus.PARKED, "incomplete_invoice", 0) == (recorded.status, recorded.reason, await world.balance())
    world.payments.is_away = False
    await world.deliver(reported)
    assert 50 == await world.balance()


@pytest.mark.parametrize("named", [{}, {"orderId": "7"}])
async def test_an_intent_of_others_is_ignored(named: dict[str, str]) -> None:
    """Without metadata of ours it is another application's."""
    world = World()
    assert EventStatus.IGNORED == (await world.deliver(succeeded(intent(metadata=named)))).status
    assert 0 == await world.balance()


async def test_a_capture_below_the_price_brings_that_part() -> None:
    """The rest was never paid; the refund that old API versions make of it gives nothing back."""
    part = intent(received=300)
    assert {30} == await delivered_in_all_orders([succeeded(part)])
    old = [succeeded({**part, "invoice": None}), refund_of("pi_1", 200)]
    assert {30} == await delivered_in_all_orders(old, ("payment_intent:pi_1",))
    new = [succeeded(part), refund_of("pi_1", 100)]
    assert {20} == await delivered_in_all_orders(new, ("payment_intent:pi_1",))
    of_session = [completed(session()), succeeded(intent(received=300, metadata=OF_SESSION))]
    assert {30} == await delivered_in_all_orders(of_session)


async def test_an_invoice_by_hand_is_a_pack() -> None:
    """Sent by an operator or by another program, with our metadata on it."""
    assert {50} == await delivered_in_all_orders([paid(by_hand())])
    assert {40} == await delivered_in_all_orders([paid(by_hand(pre_payment_credit_notes_amount=100))])
    overpaid = [paid(by_hand(amount_overpaid=100)), refund_of("pi_1", 100)]
    assert {50} == await delivered_in_all_orders(overpaid, ("payment_intent:pi_1", "invoice:in_1"))


async def test_an_invoice_by_hand_of_nothing_is_a_sale_of_nothing() -> None:
    """As a session that costs nothing is; one below zero gives money back and sells nothing."""
    assert {50} == await delivered_in_all_orders([paid(by_hand(total=0))])
    assert {0} == await delivered_in_all_orders([paid(by_hand(total=-500))])


@pytest.mark.parametrize("shape", ["old", "new"])
async def test_session_intent_and_invoice_of_others_are_one_sale(shape: str) -> None:
    """Another program's checkout may put our metadata on all three; a new API version does not show how they join."""
    shown = {"payment_intent": "pi_1", "charge": "ch_pi_1"} if shape == "old" else {}
    joined = ("session:cs_1", "payment_intent:pi_1", "invoice:in_1")
    found = [completed(session()), succeeded(intent()), paid(by_hand(**shown)), refund_of("pi_1", 100)]
    assert {40} == await delivered_in_all_orders(found, joined)


async def test_an_invoice_and_its_payment_are_one_sale() -> None:
    """Our metadata is on both; the invoice orders, the payment pays."""
    joined = ("payment_intent:pi_1", "invoice:in_1")
    found = [succeeded(intent(metadata={**NAMED, "plan": "another"})), paid(by_hand())]
    assert {50} == await delivered_in_all_orders(found, joined)


async def test_what_a_session_orders_goes_before_an_intent_that_was_first() -> None:
    """Where the payment was credited by itself, and turns out to be a session's with a discount."""
    world = World()
    await world.deliver(succeeded(intent()))
    assert 50 == await world.balance()
    await world.deliver(
        completed(session(subtotal=1000, total=500, metadata={**NAMED, "credence_terms": "120/1000/usd"}))
    )
    assert 120 == await world.balance()
    await world.deliver(succeeded(intent()))
    await world.check()
    assert 120 == await world.balance()


async def test_an_invoice_of_a_payment_that_nobody_can_look_up_waits() -> None:
    """A session may have ordered the same."""
    world = World()
    world.payments.is_away = True
    assert "incomplete_invoice" == (await world.deliver(paid(by_hand()))).reason
    world.payments.is_away = False
    await world.deliver(completed(session(invoice="in_1")), paid(by_hand()))
    assert 50 == await world.balance()
