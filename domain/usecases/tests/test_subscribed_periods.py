"""Periods of subscriptions: whose they are, and what the price of their lines is worth."""

from fractions import Fraction

import attrs
import pytest

from domain.changes.inbox import EventStatus
from domain.payments.purchases import PurchaseId
from domain.payments.reports import Attribution, SaleReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId
from domain.tests.examples import ADA, BOB, FIVE_DOLLARS, MONTHLY, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.tests.payment_world import CATALOGUE, LINE, PERIOD, PRICE, TEAM, World, linked, subscribed
from domain.values.money import Money
from domain.values.plans import MAX_CREDITS, Catalogue, PlanId, Terms


def priced(amount: int, attribution: Attribution) -> SaleReport:
    """A period of a price of so much, which is paid."""
    line = attrs.evolve(
        LINE, amount=amount, net=amount, gross=amount, price=attrs.evolve(PRICE, unit_amount=Fraction(amount))
    )
    money = Money(amount=amount, currency="usd")
    return attrs.evolve(PERIOD, attribution=attribution, lines=(line,), subtotal=money, paid=money)


def test_a_renewal_comes_to_its_owner_whatever_the_address_is_now(world: World) -> None:
    """An invoice has the address of the day on which the subscription began; nobody else's credits come by it."""
    named = Attribution(user_reference=ADA.upper(), email="ada@example.com", plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_1", began)
    world.ledger.add_user(ADA, "ada@elsewhere.example")
    world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named))
    assert 50 == world.balance()
    world.ledger.add_user(BOB, "bob@example.com")
    other = attrs.evolve(PERIOD, purchase_id=PurchaseId("in_8"), links=linked("invoice:in_8"))
    report = world.deliver("evt_3", attrs.evolve(other, attribution=attrs.evolve(named, user_reference=BOB)))
    assert (EventStatus.PARKED, "email_disagrees") == (report.status, report.reason)


def test_a_period_that_names_nobody_has_its_subscription_s_owner(world: World) -> None:
    """From the ledger if it knows the subscription, else from Stripe; else it waits, and follows by itself."""
    world.payments.is_away = True
    assert "no_user_named" == world.deliver("evt_1", PERIOD).reason
    world.deliver("evt_2", subscribed())
    run(world.ledger.inbox.make_all_due())
    assert [EventStatus.APPLIED] == [one.recorded.status for one in run(world.retrier.run_once())]
    assert 50 == world.balance()


def test_stripe_names_a_subscription_s_owner(world: World) -> None:
    """Or says that it is none of ours."""
    world.payments.teach_subscription(subscribed())
    world.deliver("evt_1", PERIOD)
    assert 50 == world.balance()
    other = SubscriptionId("sub_2")
    world.payments.teach_subscription(attrs.evolve(subscribed(), subscription_id=other, attribution=Attribution()))
    of_another = attrs.evolve(
        PERIOD, purchase_id=PurchaseId("in_8"), links=linked("invoice:in_8"), subscription_id=other
    )
    assert EventStatus.IGNORED is world.deliver("evt_2", of_another).status


@pytest.mark.parametrize(("asked", "credits_"), [(500, 50), (2000, 300)])
def test_an_upgraded_period_brings_the_credits_of_its_price(world: World, asked: int, credits_: int) -> None:
    """The terms of the first sale hold for its price; another price is another plan's of today."""
    attribution = Attribution(user_reference=ADA, plan_id="monthly", terms=Terms(credits=50, price=FIVE_DOLLARS))
    world.deliver("evt_1", priced(asked, attribution))
    assert credits_ == world.balance()


def test_a_price_of_two_plans_is_nobody_s_guess(world: World) -> None:
    """Only the plan that is named may have it, or one alone; the reason names the price."""
    price = Money(amount=2000, currency="usd")
    twin = attrs.evolve(TEAM, id=PlanId("twin"), terms=Terms(credits=9, price=price))
    recorder = attrs.evolve(world.recorder, catalogue=Catalogue({**CATALOGUE.plans, twin.id: twin}))
    by_monthly = priced(2000, Attribution(user_reference=ADA, plan_id="monthly"))
    assert "plan_ambiguous: price_7" == run(recorder.record(None, by_monthly)).reason
    by_twin = priced(2000, Attribution(user_reference=ADA, plan_id="twin"))
    assert 9 == run(recorder.record(None, by_twin)).credits


def test_a_period_of_no_plan_s_price_is_parked(world: World) -> None:
    """Nobody guesses what it is worth."""
    attribution = Attribution(user_reference=ADA, plan_id="monthly")
    assert "price_disagrees: price_7" == world.deliver("evt_1", priced(777, attribution)).reason


@pytest.mark.parametrize(
    ("quantity", "is_proration", "amount"),
    [(Fraction(10**11), False, 500 * 10**11), (Fraction(10**12 + 1, 10**12), False, 500), (Fraction(1), True, 10**13)],
)
def test_a_line_of_more_than_can_be_kept_is_parked(
    world: World, quantity: Fraction, is_proration: bool, amount: int
) -> None:
    """It is misread, or a person must look; no ledger would take it."""
    huge = attrs.evolve(MONTHLY, terms=Terms(credits=MAX_CREDITS - 1, price=FIVE_DOLLARS))
    recorder = attrs.evolve(world.recorder, catalogue=Catalogue({huge.id: huge}))
    line = attrs.evolve(LINE, quantity=quantity, is_proration=is_proration, amount=amount, net=amount, gross=amount)
    report = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"), lines=(line,))
    assert "price_disagrees: price_7" == run(recorder.record(None, report)).reason
