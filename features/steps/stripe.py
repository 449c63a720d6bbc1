"""Steps: what Stripe does, and those who pretend to be Stripe."""

import copy
import json
import time

from pytest_bdd import given, parsers, then, when

from features.steps.story import Story
from simulators.stripe.signatures import sign_webhook
from simulators.stripe.webhooks import deliver


@given("Stripe's webhooks are slow")
def webhooks_are_slow(story: Story) -> None:
    assert not story.service.stripe.auto_deliver


@given("Stripe has reported the payment")
@when("Stripe reports the payment")
@when("Stripe's webhook arrives")
@when("Stripe reports that the checkout is done but not paid")
@given("Stripe has reported that the checkout is done but not paid")
def reports(story: Story) -> None:
    story.deliver(*story.events)


@when(parsers.parse("Stripe reports the payment {times:d} times"))
def reports_often(story: Story, times: int) -> None:
    story.deliver(*story.events, copies=times)


@when(parsers.parse("Stripe reports the payment {times:d} times at the same time"))
def reports_at_once(story: Story, times: int) -> None:
    story.deliver(*story.events, copies=times, simultaneously=True)


@when("Stripe reports the payment by another event")
def reports_by_another(story: Story) -> None:
    story.deliver(story.service.stripe.account.twin(story.events[0]))


@when(parsers.parse("Stripe reports the payment by {count:d} different events at the same time"))
def reports_by_many(story: Story, count: int) -> None:
    twins = [story.service.stripe.account.twin(story.events[0]) for _ in range(count)]
    story.deliver(*twins, simultaneously=True)


@when("Stripe reports all of them at the same time")
def reports_of_all(story: Story) -> None:
    story.deliver(*story.events, simultaneously=True)


@given("Stripe has reported that the transfer arrived")
@when("Stripe reports that the transfer arrived")
def transfer_arrived(story: Story) -> None:
    story.deliver(story.service.stripe.account.settle(story.customers["Ada"].sessions[-1]))


@when("Stripe reports that the transfer failed")
def transfer_failed(story: Story) -> None:
    story.deliver(story.service.stripe.account.fail(story.customers["Ada"].sessions[-1]))


@then("every delivery is answered with success")
def all_is_well(story: Story) -> None:
    assert {200} == {delivery.status for delivery in story.deliveries}


@then("Stripe is asked to deliver again")
def asked_to_come_again(story: Story) -> None:
    assert {503} == {delivery.status for delivery in story.deliveries}


@when(parsers.parse("somebody reports a payment of Ada's with {how}"))
def somebody_pretends(story: Story, how: str) -> None:
    session = story.service.stripe.account.session(story.customers["Ada"].sessions[-1])
    paid = {**session, "status": "complete", "payment_status": "paid", "payment_intent": "pi_forged"}
    event = {
        "id": story.service.stripe.account.new_id("evt_"),
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": paid},
    }
    body, now, secret = json.dumps(event).encode(), int(time.time()), story.service.stripe.webhook_secret
    signatures = {
        "no signature": None,
        "a broken signature": "t=now,v1=",
        "a signature of another secret": sign_webhook(body, "whsec_another", now),
        "a signature of an empty secret": sign_webhook(body, "", now),
        "a signature ten minutes old": sign_webhook(body, secret, now - 600),
        "a signature from the future": sign_webhook(body, secret, now + 3600),
        "a signature of another body": sign_webhook(b"{}", secret, now),
    }
    signature = signatures[how]
    headers = {"Stripe-Signature": signature} if signature is not None else {}
    story.deliveries = [deliver(story.service.stripe.webhook_url, event["id"], body, headers)]


@then("they are turned away")
def turned_away(story: Story) -> None:
    assert [400] == [delivery.status for delivery in story.deliveries]


@when("Stripe reports a payment in live mode, where only tests are expected")
def reports_of_live_payment(story: Story) -> None:
    session_id = story.customers["Ada"].sessions[-1]
    assert 303 == story.pay(session_id)
    event = copy.deepcopy(story.event_of(session_id))
    event["livemode"] = event["data"]["object"]["livemode"] = True
    story.events = [event]
    story.deliver(event)


@when("Stripe reports the checkout and the arrival at the same time")
def reports_of_both(story: Story) -> None:
    arrived = story.service.stripe.account.settle(story.customers["Ada"].sessions[-1])
    story.deliver(*story.events, arrived, copies=5, simultaneously=True)
