"""Steps: a customer who changes or cancels a subscription by the service, with what it previews."""

import uuid
from typing import Any

import httpx
from pytest_bdd import given, parsers, then, when

from features.harness.service import Service
from features.steps.story import Story
from features.steps.stripe_events import account, cents, deliver_all, mine


@given(parsers.parse('the shop also sells the "{more}" plan for ${much} a month, and "{less}" for ${little}'))
def sells_also(story: Story, selling_service: Service, more: str, much: str, less: str, little: str) -> None:
    story.service = selling_service
    prices = {one["id"]: one["price"] for one in selling_service.http.get("/plans").json()["plans"]}
    assert (cents(much), cents(little)) == (prices[more], prices[less])


@given(parsers.parse('Ada has seen that the "{plan}" plan costs ${price} now and brings {credits:d} credits more'))
def has_seen(story: Story, plan: str, price: str, credits: int) -> None:  # noqa: A002 - Gherkin's word
    answer = ask(story, "/subscription/change/preview", {"plan": plan})
    assert 200 == answer.status_code, answer.text
    preview = answer.json()
    assert (cents(price), credits) == (preview["money"]["amount_due"], preview["credits"]["credits"])
    story.remembered |= {name: preview[name] for name in ("price", "proration_date")}


@when(parsers.parse('Ada changes to the "{plan}" plan as she saw it'))
def changes_as_seen(story: Story, plan: str) -> None:
    change(story, {"plan": plan, **{name: story.remembered[name] for name in ("price", "proration_date")}})


@when(parsers.parse('Ada changes to the "{plan}" plan'))
def changes(story: Story, plan: str) -> None:
    change(story, {"plan": plan})


@given(parsers.parse('Ada has changed to the "{plan}" plan from the next period on'))
@when(parsers.parse('Ada changes to the "{plan}" plan from the next period on'))
def changes_later(story: Story, plan: str) -> None:
    change(story, {"plan": plan, "when": "period_end"})
    assert 200 == story.answers[-1].status_code, story.answers[-1].text


@when("Ada cancels her subscription at once")
def cancels(story: Story) -> None:
    act(story, "/subscription/cancel", {"when": "now"})


@given("Ada has cancelled her subscription for the end of the period")
def has_cancelled(story: Story) -> None:
    act(story, "/subscription/cancel", {"when": "period_end"})


@given("Ada's bank declines what her subscription charges")
def declines(story: Story) -> None:
    account(story).billing.decline(account(story).session(story.customers["Ada"].sessions[-1])["subscription"])


@when(parsers.parse('Ada begins another checkout of the "{plan}" plan'))
def begins_another(story: Story, plan: str) -> None:
    story.answers.append(ask(story, "/checkout/sessions", {"plan": plan}))


@then(parsers.parse("Ada has paid ${price}"))
def has_paid_the_difference(story: Story, price: str) -> None:
    assert 200 == story.answers[-1].status_code, story.answers[-1].text
    bill = account(story).kept("invoice", story.answers[-1].json()["latest_invoice"])
    assert ("paid", cents(price)) == (bill["status"], bill["amount_paid"])


@then("Ada is told that the payment was declined")
def is_told_of_the_decline(story: Story) -> None:
    assert (402, "urn:credence:payment-declined") == refusal(story)


@then("Ada is told to change her plan instead")
def is_told_to_change(story: Story) -> None:
    assert (409, "urn:credence:subscription-exists") == refusal(story)


def refusal(story: Story) -> tuple[int, Any]:
    answer = story.answers[-1]
    return answer.status_code, answer.json().get("type")


def change(story: Story, body: dict[str, Any]) -> None:
    act(story, "/subscription/change", body)


def act(story: Story, path: str, body: dict[str, Any]) -> None:
    """Ask for a change, and let Stripe report all that it made."""
    before = len(account(story).events)
    story.answers.append(ask(story, path, body))
    story.events = mine(story, account(story).events[before:])
    if story.events:
        deliver_all(story, story.events)


def ask(story: Story, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {**story.customers["Ada"].headers, "Idempotency-Key": uuid.uuid4().hex}
    answer: httpx.Response = story.service.http.post(path, json=body, headers=headers)
    return answer
