"""Stories, what they are worth by their acts, and what their events report."""

import json

import pytest

from simulators.stories import acts
from simulators.stories.acts import act_as_json, act_of_json, balances, most_ever
from simulators.stories.catalogue import STORIES, Lived, live
from simulators.stories.customers import Plan, customers
from simulators.stories.event_readings import reading_of
from simulators.stories.invoice_worth import Due
from simulators.stories.life import Life
from simulators.stories.reading_worth import dues, worth

NOW = 1_790_000_000
PLANS = (
    Plan(id="free", credits=5, price=0, currency="usd"),
    Plan(id="odd", credits=7, price=301, currency="eur"),
    Plan(id="weekly", credits=100, price=900, currency="jpy", mode="subscription", interval="week"),
    Plan(id="larger", credits=500, price=3000, currency="jpy", mode="subscription", interval="week"),
    Plan(id="longer", credits=5000, price=30000, currency="jpy", mode="subscription", interval="year"),
)
VERSIONS = ("2026-10-28.endive", "2024-06-20", "2022-08-01", "2020-08-27")
CREDITS = {plan.id: plan.credits for plan in PLANS}
(ADA,) = customers(1)


def lived(name: str, version: str | None = None, *, seed: int = 7) -> Lived:
    return live(STORIES[name], ADA, PLANS, seed=seed, now=NOW, api_version=version)


def _grants(wanted: list[Due]) -> list[tuple[int | None, int, int | None]]:
    return sorted(((due.period, due.credits, due.ends) for due in wanted if due.credits), key=str)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", STORIES)
def test_all_events_together_report_what_was_done(name: str, version: str) -> None:
    """Two readings that share nothing agree: the acts' worth, and that of the events in any version's shapes."""
    story = lived(name, version)
    given = dues(reading_of(event.body, CREDITS, story.prices) for event in story.events)
    done = acts.dues(story.acts)
    assert _grants(done) == _grants(given)
    assert {version} == {event.api_version for event in story.events}


@pytest.mark.parametrize("name", STORIES)
def test_the_same_seed_reports_the_same_to_the_byte(name: str) -> None:
    """Whenever it is reported; another seed has other ids."""
    assert lived(name) == lived(name)
    ids = {event.id for event in lived(name).events} & {event.id for event in lived(name, seed=8).events}
    assert set() == ids


@pytest.mark.parametrize("name", STORIES)
def test_acts_go_into_a_file_and_come_back(name: str) -> None:
    """As JSON, each by its kind."""
    answer = json.loads(json.dumps([act_as_json(act) for act in lived(name).acts]))
    assert lived(name).acts == tuple(map(act_of_json, answer))


def test_what_the_acts_are_worth() -> None:
    """By hand, for each way in which money goes and comes back; a fraction of a credit stays with the merchant."""
    expected = {
        "purchase": 7,
        "delayed payment": 7,
        "delayed payment fails": 0,
        "refund in parts": 3,  # 301 - 75 - 75 of 301: 3.5 credits
        "full refund": 0,
        "refund that fails": 7,
        "refund canceled": 5,
        "dispute won": 7,
        "dispute lost": 0,
        "inquiry": 7,
        "renewal": 200,
        "renewal refunded": 100,
        "subscription canceled": 100,
        "refund and dispute": 3,
        "two purchases": 10,
    }
    assert expected == {name: balances(lived(name).acts)[ADA.user_id] for name in expected}
    assert {ADA.user_id: 14} == most_ever(lived("two purchases").acts)


def test_what_is_given_away_is_worth_its_credits() -> None:
    """A plan that costs nothing has no payment intent, and nothing of it can be refunded."""
    life = Life(PLANS, seed=1, now=NOW)
    free = life.buy(ADA, PLANS[0])
    assert free.intent is None
    assert {ADA.user_id: 5} == balances(life.acts)
    assert {ADA.user_id: 5} == worth(reading_of(event.body, CREDITS) for event in life.events)


def test_partial_knowledge_is_worth_what_it_says() -> None:
    """A refund of a period counts once it is reported which invoice the payment paid."""
    story = lived("renewal refunded", "2026-10-28.endive")
    second = [event for event in story.events if event.type == "invoice.paid"][1]
    refund = next(event for event in story.events if event.type == "refund.created")
    link = [event for event in story.events if event.type == "invoice_payment.paid"][1]
    readings = [reading_of(event.body, CREDITS) for event in (second, refund, link)]
    assert {ADA.user_id: 100} == worth(readings[:2])
    assert {ADA.user_id: 0} == worth(readings)


def test_a_story_says_which_plan_it_lacks() -> None:
    """A catalogue without subscriptions can't report renewals."""
    with pytest.raises(LookupError, match="'renewal' needs a plan of mode subscription"):
        live(STORIES["renewal"], ADA, PLANS[:2], seed=1, now=NOW)


def test_every_act_is_in_some_story() -> None:
    """The catalogue leaves no kind of act out."""
    kinds = {type(act) for name in STORIES for act in lived(name).acts}
    assert set(acts.Act.__args__) == kinds
