"""Steps: a product charges cards that its customers saved."""

import uuid

import httpx
from pytest_bdd import given, parsers, then, when

from features.harness.service import SERVICE_KEY, eventually
from features.steps.selling import customers_of
from features.steps.story import Story
from features.steps.stripe_events import account
from simulators.stripe.api import NO_ANSWER
from simulators.stripe.resources.payment_methods import save

REFUSALS = {
    "there is too little money": ("visa", "insufficient_funds"),
    "the card has expired": ("visa", "expired_card"),
    "Ada has to confirm the payment": ("authenticationRequired", None),
}
"""The card that Stripe's stand-in refuses for a reason, and the bank's code."""

ANSWERS_LOST = 8
"""More than one request of the product asks Stripe for."""


def charge(story: Story, plan: str, key: str) -> httpx.Response:
    """Return the answer to a request to charge Ada's card."""
    body = {"user_id": story.customers["Ada"].user_id, "plan": plan}
    headers = {"Authorization": f"Bearer {SERVICE_KEY}", "Idempotency-Key": key}
    answer: httpx.Response = story.service.http.post("/payments", json=body, headers=headers)
    return answer


def replace_card(story: Story, name: str = "visa", decline: str | None = None) -> None:
    """Let Ada have one card at Stripe, whose customer is made if need be."""
    if not customers_of(story, "Ada"):
        assert 402 == charge(story, "starter", uuid.uuid4().hex).status_code, "there is no card yet"
    (customer,) = customers_of(story, "Ada")
    for old in account(story).all_kept("payment_method"):
        if old["customer"] == customer["id"]:
            old["customer"] = None
    save(account(story), customer["id"], name, decline=decline)


@given("Ada has saved a card")
@given("Ada has saved another card")
def has_saved_card(story: Story) -> None:
    replace_card(story)


@given(parsers.parse("Ada's bank will refuse, since {reason}"))
def bank_refuses(story: Story, reason: str) -> None:
    replace_card(story, *REFUSALS[reason])


@given("Stripe takes the money, and its answers are lost")
def answers_are_lost(story: Story) -> None:
    story.service.stripe.fail_next(ANSWERS_LOST, path="/v1/payment_intents", status=NO_ANSWER, is_applied=True)


@given(parsers.parse('the product has charged Ada\'s card for the "{plan}" plan'))
@when(parsers.parse('the product charges Ada\'s card for the "{plan}" plan'))
def charges(story: Story, plan: str) -> None:
    story.remembered |= {"plan": plan, "key": uuid.uuid4().hex}
    story.answer = charge(story, plan, story.remembered["key"])


@given(parsers.parse('the product has been told to repeat its request for the "{plan}" plan'))
def is_unclear(story: Story, plan: str) -> None:
    charges(story, plan)
    assert story.answer is not None
    assert 503 == story.answer.status_code
    assert "same Idempotency-Key" in story.answer.json()["detail"]


@when("the product repeats the request")
def repeats(story: Story) -> None:
    before = story.answer
    story.answer = charge(story, story.remembered["plan"], story.remembered["key"])
    assert before is not None
    assert before.status_code == story.answer.status_code


@when("the product repeats the request until it gets an answer")
def repeats_until_answered(story: Story) -> None:
    def status() -> int:
        waiting = "update public.charges set due_at = now() where user_id = $1::uuid and status = 'charging'"
        story.rows(waiting, story.customers["Ada"].user_id)  # as if the pause were over
        return charge(story, story.remembered["plan"], story.remembered["key"]).status_code

    assert 201 == eventually(status, 201)


@then(parsers.parse("Ada has been charged ${amount}"))
def has_been_charged(story: Story, amount: str) -> None:
    assert round(float(amount) * 100) == sum(taken(story))


@then("Ada has not been charged")
def has_not_been_charged(story: Story) -> None:
    assert [] == taken(story)


def taken(story: Story) -> list[int]:
    """Return what Ada's bank has paid, in cents."""
    kept = account(story).all_kept("charge")
    own = [one for one in kept if one["metadata"].get("userId") == story.customers["Ada"].user_id]
    return [one["amount"] for one in own if one["status"] == "succeeded"]


@then(parsers.parse("the product is advised to {advice}"))
def is_advised(story: Story, advice: str) -> None:
    assert story.answer is not None
    assert 402 == story.answer.status_code
    assert advice in story.answer.json()["detail"].lower()
