"""The customers of a simulated Stripe account."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object, customer
from simulators.stripe.requests.parameters import mapping, metadata, refuse_unknown, text
from simulators.stripe.resources.edits import edit, remove, report_change
from simulators.stripe.resources.payment_methods import attach, found_method

_TEXTS = ("description", "email", "name", "phone")
_PARAMETERS = (*_TEXTS, "invoice_settings", "metadata", "payment_method")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change or remove a customer; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["customers"]:
            return _customer(account, parameters)
        case "POST", ["customers", wanted]:
            if "invoice_settings" in parameters:
                _set_default_method(account, account.kept("customer", wanted), parameters)
            others = {name: value for name, value in parameters.items() if name != "invoice_settings"}
            return edit(account, "customer", wanted, others, texts=_TEXTS)
        case "DELETE", ["customers", wanted]:
            return _remove(account, wanted)
        case _:
            return None


def _customer(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PARAMETERS)
    method_id = text(parameters, "payment_method")
    method = found_method(account, method_id) if method_id else None
    made = customer(
        account.new_id("cus_"),
        created=account.now(),
        invoice_prefix=account.new_id("")[:8].upper(),
        metadata=metadata(parameters),
        **{name: text(parameters, name) for name in _TEXTS},
    )
    account.keep(made)
    if method is not None:
        attach(account, method, made["id"])
    wanted = text(mapping(parameters, "invoice_settings"), "default_payment_method", "invoice_settings")
    if wanted is not None:
        # A test card's name stands for the method that was made of it a moment ago.
        default = method if method is not None and wanted == method_id else found_method(account, wanted)
        made["invoice_settings"]["default_payment_method"] = default["id"]
    account.report("customer.created", made)
    return made


def _remove(account: StripeAccount, wanted: str) -> Object:
    """Remove a customer, with whom their subscriptions end; the id is known for ever."""
    gone = account.kept("customer", wanted)
    for subscription in account.all_kept("subscription"):
        if subscription["customer"] == gone["id"] and subscription["status"] not in ("canceled", "incomplete_expired"):
            account.billing.cancel(subscription["id"])
    stub = remove(account, "customer", wanted)
    account.keep({**stub, "object": "deleted_customer"})
    return stub


def _set_default_method(account: StripeAccount, customer: Object, parameters: Mapping[str, Any]) -> None:
    given = mapping(parameters, "invoice_settings")
    wanted = text(given, "default_payment_method", "invoice_settings")
    method_id = found_method(account, wanted)["id"] if wanted else None
    settings = customer["invoice_settings"] | {"default_payment_method": method_id}
    report_change(account, customer, {"invoice_settings": settings}, reported_as="customer.updated")
