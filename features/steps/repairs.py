"""Steps: what goes missing or wrong, and how operators repair it: reconcile, claim, check, sync, explain."""

import copy
import json
import uuid
from typing import Any

import httpx
import redis
from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.spending import has_charged
from features.steps.story import Story
from features.steps.stripe_events import DAY, account, deliver_all, intent_of, object_of


@given(parsers.parse("Ada has spent {credits:d} credits"))
def has_spent(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    has_charged(story, credits, "something")


@given(parsers.parse("Ada is {credits:d} credits in debt"))
def is_in_debt(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert -credits == story.get("/quota", story.customers["Ada"]).json()["balance"]


@given('webhooks have been down for two days, while Ada bought the "pro" plan and got half of her first payment back')
def webhooks_were_away(story: Story) -> None:
    ada = story.customers["Ada"]
    account(story).reversals.refund(intent_of(story, ada.sessions[0]), 250)
    assert 303 == story.pay(story.open_checkout(ada, "pro"))
    account(story).billing.advance(2 * DAY)


@given('Ada has paid for the "pro" plan, and Stripe created no event for it')
def no_event_was_made(story: Story) -> None:
    before = len(account(story).events)
    assert 303 == story.pay(story.open_checkout(story.customers["Ada"], "pro"))
    del account(story).events[before:]


def reconciled(story: Story, *options: str) -> Any:
    done = story.service.command("reconcile", "--since", "3d", "--json", *options)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@when("an operator reconciles the last three days")
def reconciles(story: Story) -> None:
    story.progress = reconciled(story)


@when("an operator only asks what is missing")
def asks_what_is_missing(story: Story) -> None:
    story.progress = reconciled(story, "--dry-run")


@then("the missing payment and refund are listed")
def missing_is_named(story: Story) -> None:
    ada = story.customers["Ada"].user_id
    found = {(one["kind"], one["credits"]) for one in story.progress["found"] if one["user_id"] == ada}
    assert {("checkout.session.completed", 250), ("refund.created", -25)} <= found


@then("reconciling again finds nothing")
def finds_nothing(story: Story) -> None:
    ada = story.customers["Ada"].user_id
    assert [] == [one for one in reconciled(story)["found"] if one["user_id"] == ada]


@given("somebody has paid by a payment link that names Ada")
def paid_by_link(story: Story) -> None:
    paid_in_the_name_of(story, {"plan": "starter"}, story.customers["Ada"].user_id)


@given("somebody has paid on behalf of a user who does not exist yet")
def paid_in_advance(story: Story) -> None:
    story.progress = {"user_id": str(uuid.uuid4())}
    paid_in_the_name_of(story, {"plan": "starter", "userId": story.progress["user_id"]}, None)


def paid_in_the_name_of(story: Story, metadata: dict[str, str], reference: str | None) -> None:
    session_id = story.open_checkout(story.customers["Ada"], "starter")
    assert 303 == story.pay(session_id)
    event = copy.deepcopy(story.event_of(session_id))
    object_of(event).update(metadata=metadata, client_reference_id=reference)
    story.events = [event]
    deliver_all(story, story.events)
    assert b"parked" in story.deliveries[0].body


@given("an operator has assigned it to Ada")
@when("an operator finds it among the parked payments and assigns it to Ada")
def operator_claims(story: Story) -> None:
    event_id = story.events[0]["id"]
    listed = json.loads(story.service.command("parked", "--json").stdout)["parked"]
    (found,) = [one for one in listed if one["id"] == event_id]
    assert "reference_unconfirmed" == found["reason"]
    done = story.service.command("claim", event_id, "--user", story.customers["Ada"].user_id)
    assert 0 == done.returncode, done.stderr


@when("an operator claims it for Ada through the operator's API")
def operator_claims_by_route(story: Story) -> None:
    event_id = story.events[0]["id"]
    listed = story.service.ops("GET", "/parked?limit=200").json()["events"]
    assert event_id in {one["id"] for one in listed}
    answer = story.service.ops("POST", f"/parked/{event_id}/claim", {"user_id": story.customers["Ada"].user_id})
    assert ("applied", 50) == (answer.json()["status"], answer.json()["credits"]), answer.text
    again = story.service.ops("POST", f"/parked/{event_id}/claim", {"user_id": story.customers["Ada"].user_id})
    assert 409 == again.status_code


@then("it is no longer parked")
def nothing_is_parked(story: Story) -> None:
    listed = json.loads(story.service.command("parked", "--json").stdout)["parked"]
    assert story.events[0]["id"] not in {one["id"] for one in listed}


@when("that user signs up, and parked payments are retried")
def signs_up_late(story: Story) -> None:
    user_id = story.progress["user_id"]
    story.rows("insert into auth.users (id, email) values ($1::uuid, $2)", user_id, f"{user_id}@example.com")
    assert 200 == story.service.ops("POST", "/parked/retry").status_code


@then("the new user has 50 credits")
def new_user_has_credits(story: Story) -> None:
    query = "select credits_balance from public.users where id = $1::uuid"
    expected = [{"credits_balance": 50}]
    assert expected == eventually(lambda: story.rows(query, story.progress["user_id"]), expected)


@when("Ada asks for the parked payments")
def asks_for_parked(story: Story) -> None:
    story.answer = story.service.http.get("/ops/parked", headers=story.customers["Ada"].headers)


@then("she is turned away")
def she_is_turned_away(story: Story) -> None:
    assert isinstance(story.answer, httpx.Response)
    assert 403 == story.answer.status_code


@given("somebody has written 9999 credits for Ada into Redis")
def written_into_redis(story: Story) -> None:
    with redis.Redis.from_url(story.service.redis_url) as cache:
        (ledger,) = story.rows("select id from public.credit_ledgers")
        key = f"{str(ledger['id'])[:8]}:{story.customers['Ada'].user_id}"
        cache.set(key, "9999/0/77/77")


@when("an operator checks everything")
def checks_everything(story: Story) -> None:
    done = story.service.command("check", "--json")
    story.progress = {"exit": done.returncode, **json.loads(done.stdout)}


@then("the check fails and names Ada's cache entry")
def check_names_line(story: Story) -> None:
    ada = story.customers["Ada"].user_id
    assert 1 == story.progress["exit"]
    (found,) = [one for one in story.progress["cache"] if one["user_id"] == ada]
    assert ("cache_is_ahead", 9999, 50) == (found["problem"], found["copy"]["balance"], found["account"]["balance"])


@then("after a sync Ada has 50 credits, and the check reports nothing about her")
def sync_repairs(story: Story) -> None:
    ada = story.customers["Ada"]
    assert 0 == story.service.command("sync", ada.user_id).returncode
    quota = story.get("/quota", ada).json()
    assert (50, "cache") == (quota["balance"], quota["source"])
    left = json.loads(story.service.command("check", "--json").stdout)
    assert ada.user_id not in {one["user_id"] for one in left["cache"]}


@when("an operator replays the payment's event")
def replays(story: Story) -> None:
    done = story.service.command("replay", story.events[0]["id"])
    assert (0, True) == (done.returncode, "nothing_new" in done.stdout), done.stderr


@when("an operator asks for an explanation of Ada's credits")
def asks_for_explanation(story: Story) -> None:
    story.progress = {"text": story.service.command("explain", story.customers["Ada"].user_id).stdout}


@then("it names the purchase, the refund, and Stripe's objects")
def explanation_names(story: Story) -> None:
    ada = story.customers["Ada"]
    refund, intent = object_of(story.events[0]), intent_of(story)
    for expected in (intent, refund["id"], refund["charge"], ada.sessions[-1], "starter", "25 due now", "clawback"):
        assert expected in story.progress["text"]
    answer = story.get(f"/accounts/{ada.user_id}/explanation", ada).json()
    (purchase,) = answer["purchases"]
    assert (intent, 25, [refund["id"]]) == (
        purchase["id"],
        purchase["worth"],
        [one["id"] for one in purchase["refunds"]],
    )
