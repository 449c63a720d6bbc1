"""Subscriptions that are made and changed by Stripe's API, without a checkout page."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe_account import StripeAccount
from simulators.stripe_edits import edit
from simulators.stripe_invoices import pay
from simulators.stripe_objects import Object
from simulators.stripe_parameters import count, mapping, metadata, refuse_unknown, require, text
from simulators.stripe_payment_methods import found_method
from simulators.stripe_refusals import Refusal, invalid

_PARAMETERS = ("customer", "default_payment_method", "items", "metadata", "trial_period_days")
TRIAL_WARNING_DAYS = 3
"""Days before a trial's end at which it is told; at once, where the trial is shorter."""


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change or cancel a subscription; None where there is no such route.

    :raises Refusal: if Stripe, or the customer's bank, would refuse it.
    """
    match method, path:
        case "POST", ["subscriptions"]:
            return _made(account, parameters)
        case "POST", ["subscriptions", wanted] if parameters.get("cancel_at_period_end") == "true":
            account.billing.cancel(wanted, at_period_end=True)
            return account.kept("subscription", wanted)
        case "POST", ["subscriptions", wanted]:
            return edit(account, "subscription", wanted, parameters, told_as="customer.subscription.updated")
        case "DELETE", ["subscriptions", wanted]:
            account.billing.cancel(wanted)
            return account.kept("subscription", wanted)
        case _:
            return None


def _made(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PARAMETERS)
    require(parameters, "customer", "items")
    customer = account.kept("customer", str(parameters["customer"]))
    amount, price = 0, None
    for index, item in mapping(parameters, "items").items():
        price = account.kept("price", str(mapping({"item": item}, "item").get("price")))
        if not price["recurring"]:
            raise invalid("The price specified is set to `type=one_time`.", f"items[{index}][price]")
        amount += price["unit_amount"] * count(item.get("quantity", "1"), f"items[{index}][quantity]")
    if price is None:
        raise invalid("Missing required param: items.", "items", code="parameter_missing")
    trial_days = count(parameters.get("trial_period_days", "0"), "trial_period_days")
    told = {
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": price["currency"],
        "customer": customer["id"],
    }
    about: Object = {
        "interval": price["recurring"]["interval"],
        "metadata": metadata(parameters),
        "trial_days": trial_days,
    }
    if amount and not trial_days:
        return _charged(account, told, about, _method_of(account, customer, text(parameters, "default_payment_method")))
    _, subscription, _ = account.billing.subscribe(told, **about)
    if 0 < trial_days <= TRIAL_WARNING_DAYS:
        account.tell("customer.subscription.trial_will_end", subscription)
    return subscription


def _charged(account: StripeAccount, told: Object, about: Object, method_id: str) -> Object:
    """A subscription whose first invoice is paid by a method; where the bank declines, it stands incomplete."""
    subscription = account.billing.new_subscription(told, **about)
    due = told["amount_total"]
    bill = account.billing.bill_period(
        subscription,
        "subscription_create",
        due,
        amount_paid=0,
        amount_remaining=due,
        attempt_count=0,
        number=None,
        status="draft",
    )
    account.tell("invoice.created", bill)
    try:
        pay(account, bill, method_id)
    except Refusal:
        subscription["status"] = "incomplete"
    account.tell("customer.subscription.created", subscription)
    return subscription


def _method_of(account: StripeAccount, customer: Object, wanted: str | None) -> str:
    method_id = wanted or customer["invoice_settings"]["default_payment_method"]
    if method_id is None:
        message = "This customer has no attached payment source or default payment method."
        raise invalid(message, "customer", code="resource_missing")
    return str(found_method(account, method_id)["id"])
