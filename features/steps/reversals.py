"""Steps: refunds and disputes, which take a payment back."""

import copy
import re

from pytest_bdd import given, parsers, when

from features.steps.story import Story
from features.steps.stripe_events import account, cents, deliver_all, intent_of, object_of
from simulators.stripe.objects import Object


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


@when("the last period is refunded")
def last_period_is_refunded(story: Story) -> None:
    paid = [object_of(event) for event in story.events if event["type"] == "invoice_payment.paid"]
    deliver_all(story, account(story).reversals.refund(paid[-1]["payment"]["payment_intent"]))


@when("it is refunded")
def it_is_refunded(story: Story) -> None:
    deliver_all(story, account(story).reversals.refund(object_of(story.events[0])["payment_intent"]))


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
