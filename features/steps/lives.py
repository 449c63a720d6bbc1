"""What becomes of payments later: refunds, disputes, renewals, outages, and what operators do about them."""

import copy
import json
import re
import uuid
from typing import Any

import httpx
import redis
from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.spending import has_charged
from features.steps.story import Story
from simulators.stripe.objects import Object

HOUR = 60 * 60
DAY = 24 * HOUR


def account(story: Story) -> Any:
    return story.service.stripe.account


def cents(price: str) -> int:
    return round(float(price.strip("$ ")) * 100)


def intent_of(story: Story, session_id: str | None = None) -> str:
    session = account(story).session(session_id or story.customers["Ada"].sessions[-1])
    return str(session["payment_intent"])


def deliver_all(story: Story, events: list[Object], **how: Any) -> None:
    story.deliver(*events, **how)
    assert {200} == {delivery.status for delivery in story.deliveries}, story.deliveries


def object_of(event: Object) -> Any:
    return event["data"]["object"]


@given(parsers.parse("{amount} of Ada's payment has been refunded"))
@when(parsers.parse("{amount} of Ada's payment is refunded"))
def is_refunded(story: Story, amount: str) -> None:
    story.events = account(story).reversals.refund(intent_of(story), cents(amount))
    deliver_all(story, story.events)


@when(parsers.parse("Ada's payment is refunded in parts of {parts}, all reported at the same time"))
def refunded_in_parts(story: Story, parts: str) -> None:
    events: list[Object] = []
    for part in re.findall(r"\$[0-9.]+", parts):
        events += account(story).reversals.refund(intent_of(story), cents(part))
    deliver_all(story, [event for event in events if event["type"] == "refund.created"], simultaneously=True)
    deliver_all(story, events[::-1])


@given(parsers.parse("Stripe has reported a refund of {amount} before the payment"))
def refunded_first(story: Story, amount: str) -> None:
    payment = story.events
    deliver_all(story, account(story).reversals.refund(intent_of(story), cents(amount)))
    story.events = payment


@when("the refund fails later")
def refund_fails(story: Story) -> None:
    deliver_all(story, account(story).reversals.fail_refund(object_of(story.events[0])["id"]))


@given("Ada's bank disputes the payment")
@when("Ada's bank disputes the payment")
def disputes(story: Story) -> None:
    story.events = account(story).reversals.dispute(intent_of(story))
    deliver_all(story, story.events)


@when(parsers.parse("Ada's bank disputes {amount} of the payment"))
def disputes_part(story: Story, amount: str) -> None:
    deliver_all(story, account(story).reversals.dispute(intent_of(story), cents(amount)))


@when("Ada's bank inquires about the payment")
def inquires(story: Story) -> None:
    deliver_all(story, account(story).reversals.dispute(intent_of(story), inquiry=True))


@when(parsers.re("the dispute is (?P<decision>not decided|lost|won|prevented|reinstated)"))
def dispute_is(story: Story, decision: str) -> None:
    reversals, dispute_id = account(story).reversals, object_of(story.events[0])["id"]
    deliver_all(story, reversals.respond(dispute_id))
    if decision == "reinstated":
        deliver_all(story, reversals.reinstate(dispute_id))
    elif decision != "not decided":
        deliver_all(story, reversals.close_dispute(dispute_id, decision))


@given("Ada's bank disputes the payment and withdraws the dispute, and Stripe reports it in reverse order")
def disputes_backwards(story: Story) -> None:
    reversals = account(story).reversals
    begun = reversals.dispute(intent_of(story))
    ended = reversals.close_dispute(object_of(begun[0])["id"], "won")
    deliver_all(story, [*begun, *ended][::-1])


@given(parsers.parse("Ada has spent {credits:d} credits"))
def has_spent(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    has_charged(story, credits, "something")


@given(parsers.parse("Ada is {credits:d} credits in debt"))
def is_in_debt(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert -credits == story.get("/quota", story.customers["Ada"]).json()["balance"]


@given(parsers.parse('Ada has subscribed to the "{plan}" plan'))
@when(parsers.parse('Ada subscribes to the "{plan}" plan'))
def subscribes(story: Story, plan: str) -> None:
    before = len(account(story).events)
    session_id = story.open_checkout(story.customers["Ada"], plan)
    assert 303 == story.pay(session_id)
    story.events = account(story).events[before:]
    deliver_all(story, story.events)


@when(parsers.parse('Ada subscribes to the "{plan}" plan and returns before Stripe has reported it'))
def subscribes_and_returns(story: Story, plan: str) -> None:
    assert 303 == story.pay(story.open_checkout(story.customers["Ada"], plan))
    story.follow(story.customers["Ada"])


@then(parsers.parse("the return page says that {credits:d} credits are there"))
def page_says(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert ("credited", credits, credits) == tuple(story.progress[key] for key in ("status", "credits", "balance"))


def mine(story: Story, events: list[Object]) -> list[Object]:
    """Those of the events that tell of Ada's own subscription: the stand-in has others, of other scenarios."""
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    text = {event["id"]: json.dumps(event) for event in events}
    bills = {object_of(event)["id"] for event in events if subscription in text[event["id"]]}
    return [event for event in events if any(known in text[event["id"]] for known in bills)]


@given("two months have passed")
@when("two months pass")
def two_months_pass(story: Story) -> None:
    story.events = mine(story, account(story).billing.advance(60 * DAY + HOUR))
    if story.events:
        deliver_all(story, story.events)


@when("two months pass, and Stripe reports them in reverse order and twice")
def two_months_backwards(story: Story) -> None:
    events = mine(story, account(story).billing.advance(60 * DAY + HOUR))
    deliver_all(story, events[::-1], copies=2)


@when("Stripe reports a renewal that names nobody")
def renewal_without_name(story: Story) -> None:
    events = mine(story, account(story).billing.advance(30 * DAY + HOUR))
    old = copy.deepcopy(next(event for event in events if event["type"] == "invoice.paid"))
    bill = object_of(old)
    bill["subscription"] = bill.pop("parent")["subscription_details"]["subscription"]
    for line in bill["lines"]["data"]:
        line.update(type="subscription", proration=False, metadata=[], parent=None)
    deliver_all(story, [old])


@when("Ada's subscription is prorated to another price")
def is_prorated(story: Story) -> None:
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    account(story).billing.advance(10 * DAY)
    story.events = account(story).billing.change_plan(subscription, 5000, invoice_now=True)
    deliver_all(story, story.events)


@when("Ada cancels at once after a third of the period, and the remaining time is refunded")
def cancels_at_once(story: Story) -> None:
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    account(story).billing.advance(10 * DAY)
    deliver_all(story, account(story).billing.cancel(subscription, prorate=True, invoice_now=True))


@then("the change is parked for an operator, with its price")
def change_waits(story: Story) -> None:
    (bill,) = [event for event in story.events if event["type"] == "invoice.paid"]
    listed = json.loads(story.service.command("parked", "--json").stdout)["parked"]
    (reason,) = [one["reason"] for one in listed if one["id"] == bill["id"]]
    prices = {line["pricing"]["price_details"]["price"] for line in object_of(bill)["lines"]["data"]}
    assert reason in {f"price_disagrees: {price}" for price in prices}, reason


@given("Ada has changed to another price and back six times")
def has_changed_often(story: Story) -> None:
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    for price in (5000, 900) * 6:
        deliver_all(story, account(story).billing.change_plan(subscription, price))


@given("Ada has another address now")
def has_another_address(story: Story) -> None:
    change = "update public.users set email = 'ada@elsewhere.example' where id = $1::uuid"
    story.rows(change, story.customers["Ada"].user_id)


@given("Ada has canceled the subscription")
def has_canceled(story: Story) -> None:
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    deliver_all(story, account(story).billing.cancel(subscription))


@when("the last period is refunded")
def last_period_is_refunded(story: Story) -> None:
    paid = [object_of(event) for event in story.events if event["type"] == "invoice_payment.paid"]
    deliver_all(story, account(story).reversals.refund(paid[-1]["payment"]["payment_intent"]))


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


@when("it is refunded")
def it_is_refunded(story: Story) -> None:
    deliver_all(story, account(story).reversals.refund(object_of(story.events[0])["payment_intent"]))


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
        key = f"{ledger['id']}:credits:{story.customers['Ada'].user_id}"
        cache.hset(key, mapping={"balance": "9999", "held": "0", "version": "77", "revision": "77"})


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


@then("in the end Ada's invoice has been sent once")
def invoice_is_sent(story: Story) -> None:
    invoice = account(story).session(story.customers["Ada"].sessions[-1])["invoice"]
    sent = lambda: [one for one, _ in account(story).billing.sent if one == invoice]  # noqa: E731 - asked again
    assert [invoice] == eventually(sent, [invoice])


@given("Ada's bank disputes a payment by its charge alone, while Stripe cannot be reached")
def disputed_by_charge(story: Story) -> None:
    (event, *_) = account(story).reversals.dispute(intent_of(story))
    alone = copy.deepcopy({**event, "id": account(story).new_id("evt_")})
    object_of(alone)["payment_intent"] = None
    charge = object_of(alone)["charge"]
    story.service.stripe.fail_next(1, status=503, path=f"/v1/charges/{charge}")
    deliver_all(story, [alone])
    assert 50 == story.get("/quota", story.customers["Ada"]).json()["balance"]
    story.events = [event]


@when("Stripe reports to which payment the charge belongs")
def charge_belongs(story: Story) -> None:
    deliver_all(story, story.events)
