"""Steps: what customers do and see."""

import re
from collections.abc import Iterator

import pytest
from pytest_bdd import given, parsers, then, when

from features.harness.service import Service
from features.steps.story import Customer, Story


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    """This scenario's memory. At its end all parts work again, and the ledger's own check is empty."""
    story = Story(service, log_start=len(service.log.read_text()))
    yield story
    service.supabase.gateway.up()
    service.resume_cache()
    assert [] == story.rows("select * from public.validate_credits_consistency()")


@given(parsers.parse("{name} has signed up"))
def has_signed_up(story: Story, name: str) -> None:
    story.sign_up(name)


@given(parsers.parse('{name} has bought the "{plan}" plan for ${price}'))
@when(parsers.parse('{name} buys the "{plan}" plan for ${price}'))
def buys(story: Story, name: str, plan: str, price: str) -> None:
    story.buy(story.customers[name], plan)
    reported = story.events[0]["data"]["object"]["amount_total"]
    assert round(float(price) * 100) == reported
    assert [200] == [delivery.status for delivery in story.deliveries]


@given(parsers.parse('{name} has paid for the "{plan}" plan'))
def has_paid(story: Story, name: str, plan: str) -> None:
    session_id = story.open_checkout(story.customers[name], plan)
    assert 303 == story.pay(session_id)
    story.events = [story.event_of(session_id)]


@given(parsers.parse('{name} has paid for the "{plan}" plan {times:d} times'))
def has_paid_often(story: Story, name: str, plan: str, times: int) -> None:
    events = []
    for _ in range(times):
        has_paid(story, name, plan)
        events += story.events
    story.events = events


@given(parsers.parse('{name} has paid for the "{plan}" plan and returned'))
@when(parsers.parse('{name} pays for the "{plan}" plan and returns'))
def pays_and_returns(story: Story, name: str, plan: str) -> None:
    has_paid(story, name, plan)
    story.follow(story.customers[name])


@given(parsers.parse('{name} has opened the checkout of the "{plan}" plan'))
@when(parsers.parse('{name} opens the checkout of the "{plan}" plan and leaves'))
def opens_checkout(story: Story, name: str, plan: str) -> None:
    story.open_checkout(story.customers[name], plan)


@when(parsers.parse('{name}\'s card is declined for the "{plan}" plan'))
def card_is_declined(story: Story, name: str, plan: str) -> None:
    session_id = story.open_checkout(story.customers[name], plan)
    assert 402 == story.pay(session_id, "decline")


@given(parsers.parse('{name} has chosen to pay the "{plan}" plan by bank transfer'))
def chooses_transfer(story: Story, name: str, plan: str) -> None:
    session_id = story.open_checkout(story.customers[name], plan)
    assert 303 == story.pay(session_id, "delayed")
    story.events = [story.event_of(session_id)]


@given(parsers.re(r"(?P<name>\w+) has (?P<credits>\d+) credits"))
@then(parsers.re(r"(?P<name>\w+) has (?P<credits>\d+) credits(, by the (?P<source>cache|ledger))?"))
def has_credits(story: Story, name: str, credits: str, source: str | None = None) -> None:  # noqa: A002 - Gherkin's word
    answer = story.get("/quota", story.customers[name])
    assert 200 == answer.status_code, answer.text
    quota = answer.json()
    assert int(credits) == quota["balance"] == quota["available"], [quota, *story.deliveries]
    if source is not None:
        assert source == quota["source"]


@then(parsers.re(r"(?P<name>\w+)'s statement shows (?P<amounts>[\d, then]+) credits bought"))
def statement_shows(story: Story, name: str, amounts: str) -> None:
    bought = [int(amount) for amount in re.findall(r"\d+", amounts)]
    assert bought == [entry["amount"] for entry in statement(story, story.customers[name])]


@then(parsers.parse("{name}'s statement shows {count:d} purchases that add up"))
def statement_adds_up(story: Story, name: str, count: int) -> None:
    entries = statement(story, story.customers[name])
    assert ["purchase"] * count == [entry["kind"] for entry in entries]
    assert sum(entry["amount"] for entry in entries) == entries[0]["balance_after"]
    assert list(range(count, 0, -1)) == [entry["version"] for entry in entries]


def statement(story: Story, customer: Customer) -> list[dict[str, object]]:
    """The customer's entries, newest first."""
    entries: list[dict[str, object]] = story.get("/transactions", customer).json()["transactions"]
    return entries


@then("the return page says that her credits are there")
def credits_are_there(story: Story) -> None:
    assert ("credited", 50, 50) == tuple(story.progress[key] for key in ("status", "credits", "balance"))


@then(parsers.re("the return page says that (?P<what>nothing was paid|the payment is on its way|the payment failed)"))
def return_page_says(story: Story, what: str) -> None:
    stages = {"nothing was paid": "open", "the payment is on its way": "processing", "the payment failed": "failed"}
    progress = story.follow(story.customers["Ada"])
    assert (stages[what], 0) == (progress["status"], progress["credits"])


@when(parsers.re("Bob asks for Ada's (?P<what>quota|statement|checkout)"))
def asks_for_anothers(story: Story, what: str) -> None:
    ada, bob = story.customers["Ada"], story.customers["Bob"]
    paths = {
        "quota": f"/quota?user_id={ada.user_id}",
        "statement": f"/transactions?user_id={ada.user_id}",
        "checkout": f"/checkout/sessions/{ada.sessions[0]}",
    }
    story.answer = story.get(paths[what], bob)


@when("Bob signs in as himself but says that he is Ada")
def says_he_is_another(story: Story) -> None:
    headers = {**story.customers["Bob"].headers, "x-user-id": story.customers["Ada"].user_id}
    story.answer = story.service.http.get("/quota", headers=headers)


@when("Bob writes a million credits to his own account")
def writes_own_credits(story: Story) -> None:
    bob, supabase = story.customers["Bob"], story.service.supabase
    story.answer = story.service.http.patch(
        f"{supabase.url}/rest/v1/users?id=eq.{bob.user_id}",
        json={"credits_balance": 1_000_000},
        headers={**bob.headers, "apikey": supabase.anon_key},
    )


@then(parsers.parse("he is turned away with {status:d}"))
def is_turned_away(story: Story, status: int) -> None:
    assert story.answer is not None
    assert status == story.answer.status_code
    assert "1000000" not in story.answer.text
