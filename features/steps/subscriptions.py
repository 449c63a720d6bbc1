"""A subscription after its checkout: renewals, changes, cancelation, and its invoices."""

import copy
import json

from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.story import Story
from features.steps.stripe_events import DAY, HOUR, account, deliver_all, mine, object_of


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


@then("in the end Ada's invoice has been sent once")
def invoice_is_sent(story: Story) -> None:
    invoice = account(story).session(story.customers["Ada"].sessions[-1])["invoice"]
    sent = lambda: [one for one, _ in account(story).billing.sent if one == invoice]  # noqa: E731 - asked again
    assert [invoice] == eventually(sent, [invoice])
