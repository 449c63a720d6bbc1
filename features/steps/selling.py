"""Steps: the customers that Stripe has, and the portal."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.pushing import push, retire
from features.steps.story import Story
from features.steps.stripe_events import DAY, account, deliver_all
from simulators.stripe.objects import Object

KEY = {"Authorization": "Bearer sk_test_of_the_features"}


def customers_of(story: Story, name: str) -> list[Object]:
    """Return the customers that Stripe has of somebody."""
    user_id = story.customers[name].user_id
    return [one for one in account(story).all_kept("customer") if one["metadata"].get("userId") == user_id]


@then(parsers.parse("Stripe knows {name} as one customer"))
def is_one_customer(story: Story, name: str) -> None:
    (row,) = story.rows(
        "select customer_id, deleted_at from public.stripe_customers where user_id = $1::uuid",
        story.customers[name].user_id,
    )
    assert [(row["customer_id"], None)] == [(one["id"], row["deleted_at"]) for one in customers_of(story, name)]


@then("both payments are that customer's")
def payments_are_the_customers(story: Story) -> None:
    (customer,) = customers_of(story, "Ada")
    sessions = [account(story).session(session_id) or {} for session_id in story.customers["Ada"].sessions]
    intents = [account(story).kept("payment_intent", session["payment_intent"]) for session in sessions]
    assert [customer["id"]] * 4 == [one["customer"] for one in (*sessions, *intents)]


@given("our record of Ada's customer is lost, and days have passed")
def record_is_lost(story: Story) -> None:
    story.rows("delete from public.stripe_customers where user_id = $1::uuid", story.customers["Ada"].user_id)
    account(story).set_clock(account(story).now() + 2 * DAY)


@when("Ada changes her address")
def changes_address(story: Story) -> None:
    ada = story.customers["Ada"]
    story.remembered["address"] = f"ada-{uuid.uuid4().hex}@new.example.com"
    story.rows("update auth.users set email = $2 where id = $1::uuid", ada.user_id, story.remembered["address"])


@then("Stripe sends Ada's receipts to the new address")
def receipts_go_to_the_new_address(story: Story) -> None:
    expected = [story.remembered["address"]]
    assert expected == eventually(lambda: [one["email"] for one in customers_of(story, "Ada")], expected)


@given(parsers.re("Ada is deleted at Stripe, (?P<whether>which Stripe reports|which Stripe has not told)"))
def is_deleted_at_stripe(story: Story, whether: str) -> None:
    (customer,) = customers_of(story, "Ada")
    before = len(account(story).events)
    answer = httpx.delete(f"{story.service.stripe.url}/v1/customers/{customer['id']}", headers=KEY)
    assert answer.json()["deleted"], answer.text
    if whether == "which Stripe reports":
        deliver_all(story, account(story).events[before:])


@then("the log says that Ada's customer was made again")
def log_says_so(story: Story) -> None:
    (customer,) = customers_of(story, "Ada")
    said = story.service.log.read_text()[story.log_start :]
    assert f"user {story.customers['Ada'].user_id} has customer {customer['id']} now" in said


@pytest.fixture
def pushed_portal(story: Story, tmp_path: Path) -> Iterator[None]:
    """The shop's plans and portal at Stripe until the scenario ends."""
    sold = Path(story.service.environment["CREDENCE_PLANS"])
    push(story, sold, portal=True)
    yield
    push(story, retire(tmp_path / "retired.toml", sold), portal=True)


@given("the plans and the portal have been pushed to Stripe")
def portal_is_pushed(story: Story, pushed_portal: None) -> None:
    prices = [one["lookup_key"] for one in account(story).all_kept("price") if one["active"]]
    assert {"credence_monthly_usd", "credence_team_usd", "credence_light_usd"} <= set(prices)


def portal_of(story: Story, name: str) -> str:
    """Return the address of somebody's portal."""
    answer = story.service.http.post("/portal", headers=story.customers[name].headers)
    assert 201 == answer.status_code, answer.text
    url: str = answer.json()["url"]
    return url


def subscription_of(story: Story) -> str:
    session = account(story).session(story.customers["Ada"].sessions[-1]) or {}
    return str(session["subscription"])


@when("Ada opens the portal")
def opens_portal(story: Story) -> None:
    story.answer = httpx.get(portal_of(story, "Ada"))


@then("the portal shows no subscription")
def portal_shows_none(story: Story) -> None:
    assert story.answer is not None
    assert (200, True) == (story.answer.status_code, "No current subscription." in story.answer.text)


def press(story: Story, name: str, **button: str) -> httpx.Response:
    """Press a button of somebody's portal about Ada's subscription, and let Stripe report what comes of it."""
    before = len(account(story).events)
    answer = httpx.post(portal_of(story, name), data={"subscription": subscription_of(story), **button})
    deliver_all(story, account(story).events[before:])
    return answer


@when("Ada cancels it in the portal")
def cancels(story: Story) -> None:
    assert 303 == press(story, "Ada", act="cancel").status_code


@then("her subscription ends with its period")
def ends_with_its_period(story: Story) -> None:
    query = "select cancels_at_period_end from public.subscriptions where id = $1"
    assert [{"cancels_at_period_end": True}] == story.rows(query, subscription_of(story))


@given(parsers.parse('Ada has switched to the "{plan}" plan in the portal'))
@when(parsers.parse('Ada switches to the "{plan}" plan in the portal'))
def switches(story: Story, plan: str) -> None:
    prices = account(story).all_kept("price")
    (pushed,) = [one["id"] for one in prices if one["lookup_key"] == f"credence_{plan}_usd"]
    assert 303 == press(story, "Ada", price=pushed).status_code


@when("Bob tries to cancel it in his own portal")
def tries_to_cancel(story: Story) -> None:
    story.answer = press(story, "Bob", act="cancel")


@then("the portal turns him away")
def is_turned_away(story: Story) -> None:
    assert story.answer is not None
    assert 400 == story.answer.status_code
    assert not account(story).kept("subscription", subscription_of(story))["cancel_at_period_end"]
