"""Subscriptions that are made and changed by Stripe's API, without a checkout page."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.subscribing import draft_period, new_subscription
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.objects import Object
from simulators.stripe.requests.lists import integer
from simulators.stripe.requests.parameters import (
    boolean,
    count,
    mapping,
    merged_metadata,
    metadata,
    refuse_unknown,
    require,
    text,
)
from simulators.stripe.requests.refusals import Refusal, declined, invalid
from simulators.stripe.resources.edits import report_change
from simulators.stripe.resources.invoices import pay
from simulators.stripe.resources.payment_methods import found_method
from simulators.stripe.selling.previews import is_declined
from simulators.stripe.selling.schedules import refuse_scheduled, release

_PARAMETERS = (
    "billing_mode",
    "collection_method",
    "customer",
    "days_until_due",
    "default_payment_method",
    "discounts",
    "items",
    "metadata",
    "trial_period_days",
)
_CHANGES = (
    "billing_cycle_anchor",
    "cancel_at_period_end",
    "discounts",
    "items",
    "metadata",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
)
_PAYMENTS = ("allow_incomplete", "error_if_incomplete")
_BEHAVIORS = ("always_invoice", "create_prorations", "none")
TRIAL_WARNING_DAYS = 3
"""Days before a trial's end at which it is reported; at once, where the trial is shorter."""


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change or cancel a subscription; None where there is no such route.

    :raises Refusal: if Stripe, or the customer's bank, would refuse it.
    """
    match method, path:
        case "POST", ["subscriptions"]:
            return _made(account, parameters)
        case "POST", ["subscriptions", wanted]:
            return _changed(account, wanted, parameters)
        case "POST", ["subscription_schedules", wanted, "release"]:
            refuse_unknown(parameters, ("preserve_cancel_date",))
            return release(account, wanted)
        case "DELETE", ["subscriptions", wanted]:
            refuse_unknown(parameters, ("invoice_now", "prorate"))
            prorate, invoice_now = (boolean(parameters, name) or False for name in ("prorate", "invoice_now"))
            account.billing.cancel(wanted, prorate=prorate, invoice_now=invoice_now)
            return account.kept("subscription", wanted)
        case _:
            return None


def _made(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PARAMETERS)
    require(parameters, "customer", "items")
    customer = account.kept("customer", str(parameters["customer"]))
    items = [_item(item, f"items[{index}]") for index, item in mapping(parameters, "items").items()]
    trial_days = count(parameters.get("trial_period_days", "0"), "trial_period_days")
    terms = _terms(parameters)
    fields: dict[str, Any] = {
        "coupon": _coupon(parameters),
        "metadata": metadata(parameters),
        "terms": terms,
        "trial_days": trial_days,
    }
    amount = sum(int(account.kept("price", price)["unit_amount"]) * quantity for price, quantity in items)
    if amount and not trial_days and terms.collection_method == "charge_automatically":
        method_id = _method_of(account, customer, text(parameters, "default_payment_method"))
        return _charged(account, new_subscription(account, customer["id"], items, **fields), method_id)
    _, subscription, _ = account.billing.subscribe(customer["id"], items, **fields)
    if 0 < trial_days <= TRIAL_WARNING_DAYS:
        account.report("customer.subscription.trial_will_end", subscription)
    return subscription


def _charged(account: StripeAccount, made: Object, method_id: str) -> Object:
    """Return a subscription whose first invoice is paid by a method; where the bank declines, it stands incomplete."""
    bill = draft_period(account, account.collecting, made, "subscription_create", is_reported=True)
    try:
        pay(account, bill, method_id)
    except Refusal:
        made["status"] = "incomplete"
    account.report("customer.subscription.created", made)
    return made


def _changed(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _CHANGES)
    is_switched = "items" in parameters or "billing_cycle_anchor" in parameters
    if is_switched or "cancel_at_period_end" in parameters:
        refuse_scheduled(account.kept("subscription", wanted))
    if is_switched:
        _refuse_declined(account, wanted, parameters)
    if boolean(parameters, "cancel_at_period_end"):
        account.billing.cancel(wanted, at_period_end=True)
    if "discounts" in parameters:
        account.billing.discount(wanted, _coupon(parameters))
    if is_switched:
        switch(account, wanted, parameters)
    found = account.kept("subscription", wanted)
    after: Object = {}
    if boolean(parameters, "cancel_at_period_end") is False:
        after |= {"cancel_at_period_end": False, "cancel_at": None}
    if "metadata" in parameters:
        after["metadata"] = merged_metadata(found["metadata"], parameters)
    if found["status"] == "canceled" and after.keys() - {"metadata"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.", "subscription")
    report_change(account, found, after, reported_as="customer.subscription.updated")
    return found


def _refuse_declined(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a change that the bank would not pay, where the request asks for that."""
    behavior = text(parameters, "payment_behavior") or "allow_incomplete"
    if behavior not in _PAYMENTS:
        raise invalid(f"Invalid payment_behavior: must be one of {', '.join(_PAYMENTS)}", "payment_behavior")
    if behavior != "error_if_incomplete":
        return
    if is_declined(account, wanted, named_prices(parameters), lambda drawn: switch(drawn, wanted, parameters)):
        raise declined()


def switch(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> None:
    """Change the items of a subscription as a request describes it, in one step with its metadata.

    :raises Refusal: if Stripe would refuse it.
    """
    behavior = proration_behavior(parameters)
    items = mapping(parameters, "items")
    added = [_item(one, f"items[{index}]") for index, one in items.items() if text(one, "id") is None]
    changed = [one for one in items.values() if text(one, "id") is not None]
    if len(changed) > 1:
        raise invalid("A simulated change is of one item, and of those that it adds", "items")
    item: Mapping[str, Any] = next(iter(changed), {})
    account.billing.change(
        wanted,
        item=text(item, "id"),
        price=text(item, "price"),
        quantity=count(item["quantity"], "items[0][quantity]") if "quantity" in item else None,
        remove=boolean(item, "deleted") or False,
        add=added,
        metadata=metadata(parameters),
        prorate=behavior != "none",
        invoice_now=behavior == "always_invoice",
        new_period=text(parameters, "billing_cycle_anchor") == "now",
        prorated_at=proration_date(account, wanted, parameters),
        renews=boolean(parameters, "cancel_at_period_end") is False,
    )


def named_prices(parameters: Mapping[str, Any]) -> list[str]:
    """Return the prices to which items change."""
    return [price for item in mapping(parameters, "items").values() if (price := text(item, "price")) is not None]


def proration_behavior(parameters: Mapping[str, Any]) -> str:
    """Return what becomes of prorations.

    :raises Refusal: if it is none of Stripe's words.
    """
    behavior = text(parameters, "proration_behavior") or "create_prorations"
    if behavior not in _BEHAVIORS:
        raise invalid(f"Invalid proration_behavior: must be one of {', '.join(_BEHAVIORS)}", "proration_behavior")
    return behavior


def proration_date(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> int | None:
    """Return the moment as of which a change is prorated; None for now.

    :raises Refusal: if it is not in the subscription's present period, or nothing is prorated.
    """
    if "proration_date" not in parameters:
        return None
    moment = integer(parameters["proration_date"], "proration_date")
    if proration_behavior(parameters) == "none":
        raise invalid("You cannot pass a proration_date when proration_behavior is none.", "proration_date")
    start, end = account.kept("subscription", wanted)["_period"]
    if not start <= moment <= end:
        raise invalid("Cannot specify a proration date outside of the current subscription period.", "proration_date")
    return moment


def _item(fields: Mapping[str, Any], place: str) -> tuple[str, int]:
    return str(fields.get("price")), count(fields.get("quantity", "1"), f"{place}[quantity]")


def _coupon(parameters: Mapping[str, Any]) -> str | None:
    discounts = [text(one, "coupon", "discounts") for one in mapping(parameters, "discounts").values()]
    return next(iter(discounts), None)


def _terms(parameters: Mapping[str, Any]) -> Terms:
    mode = mapping(parameters, "billing_mode")
    flexible = mapping(mode, "flexible", "billing_mode")
    days, kind = parameters.get("days_until_due"), text(mode, "type", "billing_mode") or "classic"
    if kind not in ("classic", "flexible"):
        raise invalid("Invalid type: must be one of classic or flexible", "billing_mode[type]")
    return Terms(
        billing_mode=kind,
        proration_discounts=text(flexible, "proration_discounts", "billing_mode[flexible]") or "included",
        collection_method=text(parameters, "collection_method") or "charge_automatically",
        days_until_due=None if days is None else count(days, "days_until_due"),
    )


def _method_of(account: StripeAccount, customer: Object, wanted: str | None) -> str:
    method_id = wanted or customer["invoice_settings"]["default_payment_method"]
    if method_id is None:
        message = "This customer has no attached payment source or default payment method."
        raise invalid(message, "customer", code="resource_missing")
    return str(found_method(account, method_id)["id"])
