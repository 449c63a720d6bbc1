"""How the stand-in's invoices are paid: an hour after a period ends, late, by other means, or by too much."""

from typing import Any

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.prices import DAY
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.requests.refusals import Refusal

HOUR, NOW = 3600, 1_790_000_000
OLD = "2024-06-20"
SENT = Terms(collection_method="send_invoice", days_until_due=30)


@pytest.fixture
def account() -> StripeAccount:
    return StripeAccount(seed=2, now=NOW, reports_steps=True)


def subscribed(account: StripeAccount, terms: Terms | None = None) -> Any:
    price = account.billing.price(1000)
    return account.billing.subscribe(account.new_customer(), [(price, 1)], terms=terms)[1]


def latest(account: StripeAccount, subscription: Any, version: str | None = None) -> Any:
    return account.shown(account.kept("invoice", subscription["latest_invoice"]), version)


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def test_a_renewal_is_a_draft_for_an_hour(account: StripeAccount) -> None:
    """It is created when the period ends, and finalized, charged and paid an hour later."""
    subscription, before = subscribed(account), len(account.events)
    assert ["customer.subscription.updated"] == kinds(account.billing.advance(30 * DAY))
    assert "draft" == latest(account, subscription)["status"]
    assert [] == account.billing.advance(HOUR - 1)
    account.billing.advance(1)
    moments = {event["type"]: event["created"] - NOW - 30 * DAY for event in account.events[before:]}
    assert {"invoice.created": 0, "invoice.finalized": HOUR, "invoice.paid": HOUR}.items() <= moments.items()
    transitions = latest(account, subscription)["status_transitions"]
    assert (NOW + 30 * DAY + HOUR,) * 2 == (transitions["finalized_at"], transitions["paid_at"])


def test_what_is_canceled_within_the_hour_is_not_charged(account: StripeAccount) -> None:
    """Its draft is left alone."""
    subscription = subscribed(account)
    account.billing.advance(30 * DAY)
    account.billing.cancel(subscription["id"])
    assert [] == account.billing.advance(60 * DAY)
    assert ("draft", False) == tuple(latest(account, subscription)[name] for name in ("status", "auto_advance"))


def test_a_declined_renewal_is_past_due_until_it_is_paid(account: StripeAccount) -> None:
    """On the eighth day, say."""
    subscription = subscribed(account)
    account.billing.decline(subscription["id"])
    events = kinds(account.billing.advance(30 * DAY + HOUR))
    assert ["customer.subscription.updated", "invoice.payment_failed", "customer.subscription.updated"] == events
    assert ("past_due", "open") == (subscription["status"], latest(account, subscription)["status"])
    account.billing.advance(8 * DAY)
    events = kinds(account.collecting.pay(subscription["latest_invoice"]))
    assert "invoice.paid" in events
    assert ("active", "paid") == (subscription["status"], latest(account, subscription)["status"])
    assert NOW + 38 * DAY + HOUR == latest(account, subscription)["status_transitions"]["paid_at"]


def test_an_invoice_is_paid_outside_of_stripe(account: StripeAccount) -> None:
    """Old versions count that as no payment, new ones do; no payment intent pays it."""
    subscription = subscribed(account, SENT)
    account.billing.advance(HOUR)
    events = account.collecting.pay_out_of_band(subscription["latest_invoice"])
    assert ["invoice.paid", "invoice.payment_succeeded"] == kinds(events)
    new, old = latest(account, subscription), latest(account, subscription, OLD)
    assert (1000, 1000, 0) == (new["amount_paid"], new["amount_paid_off_stripe"], new["amount_remaining"])
    assert (0, True, True, None) == tuple(
        old[name] for name in ("amount_paid", "paid", "paid_out_of_band", "payment_intent")
    )


def test_a_part_leaves_the_rest_open(account: StripeAccount) -> None:
    """Two payments pay the invoice; only the second is reported as such."""
    subscription = subscribed(account, SENT)
    account.billing.advance(HOUR)
    invoice_id = subscription["latest_invoice"]
    assert ["invoice_payment.paid"] == kinds(account.collecting.pay(invoice_id, 400))
    assert ("open", 400, 600) == tuple(
        latest(account, subscription)[name] for name in ("status", "amount_paid", "amount_remaining")
    )
    assert "invoice.paid" in kinds(account.collecting.pay(invoice_id))
    assert [400, 600] == [one["amount_paid"] for one in account.all_kept("invoice_payment")]


def test_an_overpayment_goes_to_the_balance(account: StripeAccount) -> None:
    """It is reported after the payment, and pays of the next invoice."""
    subscription = subscribed(account, SENT)
    account.billing.advance(HOUR)
    events = account.collecting.pay(subscription["latest_invoice"], 1300)
    assert ["invoice_payment.paid", "invoice.paid", "invoice.payment_succeeded", "invoice.overpaid"] == kinds(events)
    bill = latest(account, subscription)
    assert (1000, 300) == (bill["amount_paid"], bill["amount_overpaid"])
    assert -300 == account.balances.of(subscription["customer"])
    assert "amount_overpaid" not in latest(account, subscription, OLD)


def test_credit_is_paid_out_to_the_card(account: StripeAccount) -> None:
    """A refund of the payment, and the balance is used up; no more than there is."""
    subscription = subscribed(account)
    account.billing.advance(15 * DAY)
    account.billing.cancel(subscription["id"], prorate=True, invoice_now=True)
    (charge,) = account.all_kept("charge")
    with pytest.raises(Refusal):
        account.balances.refund_to_card(charge["id"], 501)
    events = account.balances.refund_to_card(charge["id"], 500)
    assert "refund.created" in kinds(events)
    assert (500, 0) == (charge["amount_refunded"], account.balances.of(subscription["customer"]))
    moves = [(one["type"], one["amount"]) for one in account.all_kept("customer_balance_transaction")]
    assert [("applied_to_invoice", -500), ("adjustment", 500)] == moves


def test_what_is_pending_is_dropped_kept_or_billed(account: StripeAccount) -> None:
    """When a subscription is canceled: by what the cancellation says of it."""
    paid = {}
    for said in ({}, {"prorate": True}, {"invoice_now": True}, {"at_period_end": True}):
        subscription = subscribed(account)
        account.billing.advance(15 * DAY)
        account.billing.change(subscription["id"], quantity=3)
        account.billing.cancel(subscription["id"], **said)
        account.billing.advance(30 * DAY)
        paid[", ".join(said)] = [
            one["amount"] for one in account.kept("invoice", subscription["latest_invoice"])["_lines"]
        ]
    assert {"": [1000], "prorate": [1000], "invoice_now": [-500, 1500], "at_period_end": [-500, 1500]} == paid


@pytest.mark.parametrize(("status", "balance"), [("void", -300), ("uncollectible", 0)])
def test_what_a_balance_paid_of_a_void_invoice_comes_back(account: StripeAccount, status: str, balance: int) -> None:
    """But not where the invoice is only given up."""
    customer = account.new_customer()
    account.balances.move(customer, -300, "usd")
    price = account.billing.price(1000)
    _, subscription, bill = account.billing.subscribe(customer, [(price, 1)], terms=SENT)
    account.billing.advance(HOUR)
    assert (700, 0) == (latest(account, subscription)["amount_due"], account.balances.of(customer))
    account.collecting.end(bill, status, reported_as=f"invoice.{status}")
    assert balance == account.balances.of(customer)


def test_a_change_in_a_trial_costs_nothing_until_it_ends(account: StripeAccount) -> None:
    """Then the new price is billed; a new period ends the trial at once."""
    cheap, dear = account.billing.price(1000), account.billing.price(3000)
    for new_period, expected in ((False, [0, 3000]), (True, [0, 3000, 3000])):
        _, made, _ = account.billing.subscribe(account.new_customer(), [(cheap, 1)], trial_days=7)
        account.billing.advance(DAY)
        account.billing.change(made["id"], price=dear, invoice_now=True, new_period=new_period)
        account.billing.advance(31 * DAY)
        bills = [one for one in account.all_kept("invoice") if one["_subscription"] == made["id"]]
        assert expected == [one["amount_paid"] for one in bills]
