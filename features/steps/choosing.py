"""Steps: what a buyer chooses before and on Stripe's page: quantities, amounts, currencies, promotion codes."""

import uuid

import httpx
from pytest_bdd import given, parsers, then, when

from features.steps.story import Story
from features.steps.stripe_events import account, cents, deliver_all, intent_of
from simulators.stripe.account.coupons import new_coupon


def finish(story: Story, session_id: str, **entered: str) -> None:
    """Pay an open checkout of Ada's, and let Stripe report all that it made."""
    before = len(account(story).events)
    page = f"{story.service.stripe.url}/c/pay/{session_id}"
    assert 303 == httpx.post(page, data={"method": "card", "terms": "on", **entered}).status_code
    story.events = account(story).events[before:]
    deliver_all(story, story.events)


def choose(story: Story, session_id: str, **entered: str) -> None:
    """Enter something on Stripe's page."""
    page = f"{story.service.stripe.url}/c/pay/{session_id}"
    assert 303 == httpx.post(page, data={"method": "update", **entered}).status_code


@given(parsers.parse('Ada has bought {quantity:d} of the "{plan}" plan'))
@when(parsers.parse('Ada buys {quantity:d} of the "{plan}" plan'))
def buys_several(story: Story, quantity: int, plan: str) -> None:
    finish(story, story.open_checkout(story.customers["Ada"], plan, quantity=quantity))


@when(parsers.parse('Ada opens the checkout of {quantity:d} of the "{plan}" plan, and takes {taken:d} on the page'))
def takes_others(story: Story, quantity: int, plan: str, taken: int) -> None:
    session_id = story.open_checkout(story.customers["Ada"], plan, quantity=quantity)
    choose(story, session_id, quantity=str(taken))
    finish(story, session_id)


@given(parsers.parse('Ada has bought the "{plan}" plan for {amount} of her choice'))
@when(parsers.parse('Ada buys the "{plan}" plan for {amount} of her choice'))
def buys_for(story: Story, plan: str, amount: str) -> None:
    finish(story, story.open_checkout(story.customers["Ada"], plan, amount=cents(amount)))


@given(parsers.parse('Ada has bought the "{plan}" plan in {currency}'))
@when(parsers.parse('Ada buys the "{plan}" plan in {currency}'))
def buys_in(story: Story, plan: str, currency: str) -> None:
    finish(story, story.open_checkout(story.customers["Ada"], plan, currency={"euros": "eur"}[currency]))


@given(parsers.parse('Ada has bought the "{plan}" plan with a promotion code of {percent:d} %'))
@when(parsers.parse('Ada buys the "{plan}" plan with a promotion code of {percent:d} %'))
def buys_cheaper(story: Story, plan: str, percent: int) -> None:
    code = promotion_code(story, percent)
    session_id = story.open_checkout(story.customers["Ada"], plan)
    choose(story, session_id, code=code.lower())
    finish(story, session_id)


@given(parsers.parse('Ada has bought the "{plan}" plan'))
@when(parsers.parse('Ada buys the "{plan}" plan'))
def buys(story: Story, plan: str) -> None:
    finish(story, story.open_checkout(story.customers["Ada"], plan))


@then(parsers.parse("Ada paid {amount}"))
def paid(story: Story, amount: str) -> None:
    session = account(story).session(story.customers["Ada"].sessions[-1])
    assert cents(amount) == session["amount_total"]


@when("half of Ada's payment is refunded")
def half_is_back(story: Story) -> None:
    session = account(story).session(story.customers["Ada"].sessions[-1])
    deliver_all(story, account(story).reversals.refund(intent_of(story), session["amount_total"] // 2))


def promotion_code(story: Story, percent: int) -> str:
    """Make a promotion code at Stripe; gives its letters."""
    coupon = new_coupon(account(story), percent, duration="once")
    code = f"SAVE{uuid.uuid4().hex[:8].upper()}"
    answer = httpx.post(
        f"{story.service.stripe.url}/v1/promotion_codes",
        data={"code": code, "promotion[type]": "coupon", "promotion[coupon]": coupon["id"]},
        headers={"Authorization": "Bearer sk_test_of_the_features"},
    )
    assert 200 == answer.status_code, answer.text
    return code
