"""Previews of invoices and the changes that they preview, under the real `stripe` package."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from simulators.stripe.selling.schedules import schedule
from simulators.stripe.stand_in import StripeStandIn

DAY = 86400


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=11) as running:
        yield running


@pytest.fixture
def v1(stand_in: StripeStandIn) -> Any:
    client = stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)
    return client.v1


def price(v1: Any, unit_amount: int, interval: str = "month") -> str:
    recurring = {"interval": interval}
    made = v1.prices.create(
        {"product_data": {"name": "Plan"}, "unit_amount": unit_amount, "currency": "usd", "recurring": recurring}
    )
    return str(made.id)


@pytest.fixture
def subscription(stand_in: StripeStandIn, v1: Any) -> Any:
    """One at $10.00 a month, half of which is over."""
    customer = v1.customers.create({"payment_method": "pm_card_visa"})
    method = v1.payment_methods.list({"customer": customer.id}).data[0]
    v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    made = v1.subscriptions.create({"customer": customer.id, "items": [{"price": price(v1, 1000)}]})
    stand_in.account.billing.advance(15 * DAY)
    return made


def previewed(v1: Any, subscription: Any, **details: Any) -> Any:
    return v1.invoices.create_preview({"subscription": subscription.id, "subscription_details": details})


def amounts(bill: Any) -> list[int]:
    return [line.amount for line in bill.lines.data]


def test_a_preview_changes_nothing_and_comes_true(stand_in: StripeStandIn, v1: Any, subscription: Any) -> None:
    """A change as of the moment of the preview is billed as it was previewed, though time has passed."""
    items = [{"id": subscription["items"].data[0].id, "price": price(v1, 3000)}]
    change = {"items": items, "proration_behavior": "always_invoice"}
    events = len(stand_in.events)
    preview = previewed(v1, subscription, **change)
    assert ([-500, 1500], 1000, "draft", "upcoming") == (
        amounts(preview),
        preview.amount_due,
        preview.status,
        preview.billing_reason,
    )
    assert events == len(stand_in.events)
    assert [preview.id] != [one.id for one in v1.invoices.list().data][:1]
    moment = preview.parent.subscription_details.subscription_proration_date
    stand_in.account.billing.advance(DAY)
    v1.subscriptions.update(subscription.id, {**change, "proration_date": moment})
    bill = v1.invoices.retrieve(v1.subscriptions.retrieve(subscription.id).latest_invoice)
    assert ([-500, 1500], 1000, "paid") == (amounts(bill), bill.amount_paid, bill.status)
    assert {moment} == {line.period.start for line in bill.lines.data}


def test_without_a_charge_the_next_invoice_is_previewed(v1: Any, subscription: Any) -> None:
    """That of the next period, at the new price; none of a subscription that ends with its period."""
    items = [{"id": subscription["items"].data[0].id, "price": price(v1, 3000)}]
    preview = previewed(v1, subscription, items=items, proration_behavior="none")
    assert [3000] == amounts(preview)
    assert preview.created == subscription["items"].data[0].current_period_end
    assert [1000] == amounts(previewed(v1, subscription))
    v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        previewed(v1, subscription)
    assert "invoice_upcoming_none" == refused.value.code
    assert [1000] == amounts(
        previewed(v1, subscription, items=items[:0] or [{"id": items[0]["id"]}], cancel_at_period_end=False)
    )
    v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (False, None) == tuple(
        v1.subscriptions.retrieve(subscription.id)[one] for one in ("cancel_at_period_end", "cancel_at")
    )


def test_a_cancellation_is_previewed(v1: Any, subscription: Any) -> None:
    """It gives unused time back to the customer's balance, or makes no invoice."""
    preview = previewed(v1, subscription, cancel_now=True, proration_behavior="always_invoice")
    assert ([-500], -500, 0, -500) == (amounts(preview), preview.total, preview.amount_due, preview.ending_balance)
    with pytest.raises(stripe.InvalidRequestError, match="No upcoming invoices"):
        previewed(v1, subscription, cancel_now=True, proration_behavior="none")
    assert "active" == v1.subscriptions.retrieve(subscription.id).status


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"proration_date": 1}, "outside of the current"),
        ({"proration_date": 1, "proration_behavior": "none"}, "proration_behavior is none"),
        ({"proration_behavior": "sometimes"}, "Invalid proration_behavior"),
        ({"items": [{"id": "si_unknown", "quantity": 2}]}, "No such subscription_item"),
        ({"items": [{"price": "price_unknown"}]}, "No such price"),
        ({"trial_end": "now"}, "unknown parameter"),
    ],
)
def test_what_stripe_would_refuse_is_not_previewed(
    v1: Any, subscription: Any, details: dict[str, Any], message: str
) -> None:
    """As the change itself would be refused."""
    with pytest.raises(stripe.InvalidRequestError, match=message):
        previewed(v1, subscription, **details)


def test_a_change_that_the_bank_declines_is_not_made(stand_in: StripeStandIn, v1: Any, subscription: Any) -> None:
    """Where that is asked for; else the subscription is past due."""
    stand_in.account.billing.decline(subscription.id)
    items = [{"id": subscription["items"].data[0].id, "price": price(v1, 3000)}]
    change = {"items": items, "proration_behavior": "always_invoice"}
    events = len(stand_in.events)
    with pytest.raises(stripe.CardError) as declined:
        v1.subscriptions.update(subscription.id, {**change, "payment_behavior": "error_if_incomplete"})
    assert (402, "card_declined", events) == (declined.value.http_status, declined.value.code, len(stand_in.events))
    assert "past_due" == v1.subscriptions.update(subscription.id, change).status


def test_the_metadata_of_a_change_is_on_its_invoice(v1: Any, subscription: Any) -> None:
    """It is one step: the invoice shows what the subscription says from then on."""
    items = [{"id": subscription["items"].data[0].id, "price": price(v1, 3000)}]
    change = {"items": items, "proration_behavior": "always_invoice", "metadata": {"plan": "pro"}}
    made = v1.subscriptions.update(subscription.id, change)
    bill = v1.invoices.retrieve(made.latest_invoice)
    assert {"plan": "pro"} == made.metadata.to_dict() == bill.parent.subscription_details.metadata.to_dict()


def test_a_schedule_hinders_other_changes_until_it_is_released(
    stand_in: StripeStandIn, v1: Any, subscription: Any
) -> None:
    """A change in the portal may wait for the period's end; it is made then, unless it is released before."""
    account, cheaper = stand_in.account, price(v1, 500)
    for is_released in (True, False):
        schedule(account, account.kept("subscription", subscription.id), account.kept("price", cheaper))
        found = v1.subscriptions.retrieve(subscription.id)
        with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
            v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
        assert [500] == amounts(previewed(v1, subscription))
        if is_released:
            assert "released" == v1.subscription_schedules.release(found.schedule).status
            assert [1000] == amounts(previewed(v1, subscription))
    account.billing.advance(16 * DAY)
    found = v1.subscriptions.retrieve(subscription.id)
    assert (None, [500]) == (found.schedule, lines_of(v1, found))


def lines_of(v1: Any, subscription: Any) -> list[int]:
    return amounts(v1.invoices.retrieve(subscription.latest_invoice))
