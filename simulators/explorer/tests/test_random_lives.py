"""Lives that chance leads, and the two ways to say what they are worth."""

import random

from simulators.explorer import coverage, coverage_catalogue
from simulators.explorer.random_lives import PLANS, VERSIONS, lead
from simulators.explorer.random_worlds import EPOCH
from simulators.stories.acts import balances
from simulators.stories.customers import customers
from simulators.stories.event_readings import reading_of
from simulators.stories.life import Life
from simulators.stories.reading_worth import worth

CREDITS = {plan.id: plan.credits for plan in PLANS}
LIVES = [lead(random.Random(seed), customers(1)[0], PLANS, now=EPOCH) for seed in range(400)]


def test_what_is_reported_is_worth_what_was_done() -> None:
    """Reading a life's events comes to the same credits as adding up its acts."""
    for life in LIVES:
        given = worth(reading_of(event.body, CREDITS, life.prices) for event in life.events)
        assert {name: left for name, left in balances(life.acts).items() if left} == {
            name: left for name, left in given.items() if left
        }


def test_the_order_of_reporting_does_not_show() -> None:
    """Nor does it where two things were reported in one second."""
    chance = random.Random(0)
    for life in LIVES:
        found = [reading_of(event.body, CREDITS, life.prices) for event in life.events]
        assert worth(found) == worth(chance.sample(found, len(found))) == worth(reversed(found))


def test_an_inquiry_does_not_follow_its_dispute() -> None:
    """Of two updates in one second, the one that reports the dispute is the later, whichever is reported first."""
    ada, life = customers(1)[0], Life(PLANS, seed=1, now=EPOCH)
    payment = life.buy(ada, PLANS[0])
    dispute = life.inquire(payment)
    life.respond(dispute)
    life.escalate(payment, dispute)
    # The move of the money would tell it, too.
    found = [reading_of(event.body, CREDITS) for event in life.events if "funds" not in event.type]
    assert {ada.user_id: 0} == worth(found) == worth(reversed(found))


def test_lives_report_of_everything() -> None:
    """Every type of event that matters is made, in the shapes of every version."""
    made = {(event.type, event.api_version) for life in LIVES for event in life.events}
    assert {(kind, version) for kind in coverage_catalogue.TYPES for version in VERSIONS} <= made


def test_a_life_is_led_the_same_again() -> None:
    """The same chance makes the same events, to the byte."""
    again = lead(random.Random(3), customers(1)[0], PLANS, now=EPOCH)
    assert LIVES[3] == again


def test_an_empty_run_has_visited_nothing() -> None:
    """Every entry of the catalogue is missing, each said in words."""
    missing = coverage.gaps(coverage.Coverage(), VERSIONS, is_long=True)
    assert set(coverage_catalogue.SOMETIMES) == set(missing.sometimes)
    assert len(missing.cells) > 200
    assert "never: what is taken back, at once, conflict" in str(missing).splitlines()
    assert "never: invoice.paid in the shape of 2019-12-03" in str(missing).splitlines()
