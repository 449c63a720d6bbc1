"""Payments that named nobody, given to their owner by command and by HTTP, over a service, a ledger and a Stripe."""

from collections.abc import Iterator
from typing import Any

import pytest

from features.harness.service import Service
from features.steps.story import Story
from features.steps.stripe_events import account, deliver_all
from simulators.stripe.account.shapes import charge
from simulators.stripe.ordering.orders import order


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    story = Story(service)
    story.sign_up("Ada")
    yield story
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def session_of_nobody(story: Story, *, quantity: int = 1, pays: bool = True) -> str:
    """A session that another program opened, of the starter plan's price, so many times."""
    price = {"currency": "usd", "unit_amount": "500", "product_data": {"name": "Credits"}}
    asked = {
        "mode": "payment",
        "success_url": "https://a.test/",
        "line_items": {"0": {"price_data": price, "quantity": str(quantity)}},
    }
    stripe = account(story)
    session_id: str = stripe.create_session(order(asked), story.service.stripe.url)["id"]
    if pays:
        deliver_all(story, [stripe.pay(session_id)])
    return session_id


def balance(story: Story) -> Any:
    return story.get("/quota", story.customers["Ada"]).json()["balance"]


def test_a_session_is_claimed_by_command(story: Story) -> None:
    """Once; three packs of it by its items."""
    ada = story.customers["Ada"].user_id
    session_id = session_of_nobody(story, quantity=3)
    assert 0 == balance(story)
    done = story.service.command("claim", session_id, "--user", ada, "--plan", "starter")
    assert (0, True) == (done.returncode, "+150 credits" in done.stdout), done.stderr
    again = story.service.command("claim", session_id, "--user", ada, "--plan", "starter")
    assert (0, False) == (again.returncode, "credits" in again.stdout), again.stderr
    assert 150 == balance(story)


def test_a_payment_is_claimed_by_http(story: Story) -> None:
    """A payment intent that pays nothing else; what can't be claimed says why."""
    stripe, ada = account(story), story.customers["Ada"].user_id
    intent = stripe.new_intent(500, "usd", metadata={})
    stripe.keep(charge(intent["latest_charge"], intent, created=stripe.now(), invoice=None))
    wish = {"user_id": ada, "plan": "starter"}
    answer = story.service.ops("POST", f"/events/{intent['id']}/claim", wish)
    assert (200, "applied", 50) == (answer.status_code, answer.json()["status"], answer.json()["credits"])
    assert 50 == balance(story)
    unpaid = session_of_nobody(story, pays=False)
    refused = story.service.ops("POST", f"/events/{unpaid}/claim", wish)
    assert (409, "The object cannot be claimed: it is not paid.") == (refused.status_code, refused.json()["detail"])
    dear = stripe.new_intent(900, "usd", metadata={})
    stripe.keep(charge(dear["latest_charge"], dear, created=stripe.now(), invoice=None))
    reported_how = story.service.command("claim", dear["id"], "--user", ada, "--plan", "starter")
    helps = f"credence claim {dear['id']} --user <id> --plan <plan> --accept-price"
    assert (1, True) == (reported_how.returncode, helps in reported_how.stderr), reported_how.stderr
    assert 404 == story.service.ops("POST", "/events/pi_nobody/claim", wish).status_code
    assert 50 == balance(story)
