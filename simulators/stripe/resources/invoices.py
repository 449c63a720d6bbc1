"""Invoices that are made by Stripe's API: items, drafts, and every way in which an invoice ends."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.invoice_items import add_item, item_line, pending_items
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import boolean, count, currency, metadata, refuse_unknown, require, text
from simulators.stripe.requests.refusals import Refusal, declined, invalid
from simulators.stripe.resources.edits import edit, remove, report_change
from simulators.stripe.resources.payment_intents import confirm, new_intent
from simulators.stripe.resources.payment_methods import found_method

_ITEM = ("amount", "currency", "customer", "description", "invoice", "metadata")
_INVOICE = (
    "auto_advance",
    "collection_method",
    "currency",
    "customer",
    "days_until_due",
    "description",
    "metadata",
    "pending_invoice_items_behavior",
)
# What an invoice becomes, out of which statuses, and the event.
_ENDS = {
    "void": ("void", ("open", "uncollectible"), "invoice.voided"),
    "mark_uncollectible": ("uncollectible", ("open",), "invoice.marked_uncollectible"),
}


def change(  # noqa: PLR0911 - one for each route
    account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]
) -> Object | None:
    """Make, change, finalize, pay or end an invoice, or an item of one; None where there is no such route.

    :raises Refusal: if Stripe, or the customer's bank, would refuse it.
    """
    match method, path:
        case "POST", ["invoiceitems"]:
            return _item(account, parameters)
        case "DELETE", ["invoiceitems", wanted]:
            if account.kept("invoiceitem", wanted)["invoice"] is not None:
                raise invalid("An item of an invoice that is finalized can't be removed.", "invoiceitem")
            return remove(account, "invoiceitem", wanted)
        case "POST", ["invoices"]:
            return _draft(account, parameters)
        case "POST", ["invoices", wanted]:
            return edit(account, "invoice", wanted, parameters, texts=("description",))
        case "DELETE", ["invoices", wanted]:
            bill = account.kept("invoice", wanted)
            _refuse_unless(bill, "deleted", "draft")
            bill["auto_advance"] = False
            return remove(account, "invoice", wanted)
        case "POST", ["invoices", wanted, "finalize"]:
            refuse_unknown(parameters, ("auto_advance",))
            bill = account.kept("invoice", wanted)
            _refuse_unless(bill, "finalized", "draft")
            return _finalize(account, bill)
        case "POST", ["invoices", wanted, "pay"]:
            refuse_unknown(parameters, ("paid_out_of_band", "payment_method"))
            bill = account.kept("invoice", wanted)
            if boolean(parameters, "paid_out_of_band"):
                return _pay_out_of_band(account, bill)
            return pay(account, bill, text(parameters, "payment_method"))
        case "POST", ["invoices", wanted, "void" | "mark_uncollectible" as verb]:
            bill = account.kept("invoice", wanted)
            status, among, reported_as = _ENDS[verb]
            _refuse_unless(bill, verb, *among)
            account.collecting.end(bill, status, reported_as=reported_as)
            return bill
        case _:
            return None


def send(account: StripeAccount, invoice_id: str, idempotency_key: str | None) -> Object:
    """Send an invoice to the customer; a draft is finalized.

    :raises Refusal: if there is none of that id.
    """
    bill = account.kept("invoice", invoice_id)
    is_new = bill["status"] in ("draft", "open")
    if bill["status"] == "draft":
        _finalize(account, bill)
    account.billing.send(invoice_id, idempotency_key)
    if is_new:
        account.report("invoice.sent", bill)
    return bill


def _item(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _ITEM)
    require(parameters, "customer", "amount")
    return add_item(
        account,
        str(parameters["customer"]),
        count(parameters["amount"], "amount"),
        currency(parameters),
        description=text(parameters, "description"),
        metadata=metadata(parameters),
    )


def _draft(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _INVOICE)
    require(parameters, "customer")
    customer = account.kept("customer", str(parameters["customer"]))
    takes_pending = text(parameters, "pending_invoice_items_behavior") == "include"
    items = pending_items(account, customer["id"]) if takes_pending else []
    currencies = {one["currency"] for one in items} or {currency(parameters) if "currency" in parameters else "usd"}
    if len(currencies) > 1:
        raise invalid("The items of an invoice must have the same currency.", "pending_invoice_items_behavior")
    (in_currency,) = currencies
    return account.collecting.draft(
        [item_line(account, one) for one in items],
        in_currency,
        reason="manual",
        is_reported=True,
        collection_method=text(parameters, "collection_method") or "charge_automatically",
        customer=customer["id"],
        customer_email=customer["email"],
        description=text(parameters, "description"),
        metadata=metadata(parameters),
        _days_until_due=_days_until_due(parameters),
    )


def _days_until_due(parameters: Mapping[str, Any]) -> int | None:
    return count(parameters["days_until_due"], "days_until_due") if "days_until_due" in parameters else None


def _finalize(account: StripeAccount, bill: Object) -> Object:
    account.collecting.finalize(bill)
    account.report("invoice.finalized", bill)
    if bill["amount_due"] == 0:
        account.collecting.settle(bill)
    return bill


def pay(account: StripeAccount, bill: Object, wanted: str | None = None) -> Object:
    """Pay an invoice by the method that is named, or the customer's own; a draft is finalized.

    :raises Refusal: if it is over, there is no method, or the bank declines.
    """
    _refuse_unless(bill, "paid", "draft", "open", "uncollectible")
    if bill["status"] == "draft":
        _finalize(account, bill)
        if bill["status"] == "paid":
            return bill
    default = account.kept("customer", bill["customer"])["invoice_settings"]["default_payment_method"]
    method_id = wanted or default
    if method_id is None:
        message = "There is no `default_payment_method` set on this Customer or Invoice."
        raise invalid(message, "payment_method", code="invoice_no_payment_method_types")
    method = found_method(account, method_id)
    intent = new_intent(
        account,
        bill["amount_remaining"],
        bill["currency"],
        customer=bill["customer"],
        payment_method=method["id"],
        payment_method_types=[method["type"]],
        _invoice=bill["id"],
    )
    try:
        confirm(account, intent)
    except Refusal:
        bill["attempt_count"] += 1
        account.report("invoice.payment_failed", bill)
        raise
    if intent["status"] == "requires_action":
        bill["attempt_count"] += 1
        account.report("invoice.payment_action_required", bill)
        raise declined("authentication_required", intent=account.shown(intent))
    if intent["status"] == "succeeded":
        account.collecting.settle(bill, intent)
        _activate(account, bill["_subscription"])
    return bill


def _pay_out_of_band(account: StripeAccount, bill: Object) -> Object:
    if bill["status"] == "draft":
        _finalize(account, bill)
    if bill["status"] != "paid":
        account.collecting.pay_out_of_band(bill["id"])
        _activate(account, bill["_subscription"])
    return bill


def _activate(account: StripeAccount, subscription_id: str | None) -> None:
    if subscription_id is not None:
        subscription = account.kept("subscription", subscription_id)
        if subscription["status"] == "incomplete":
            report_change(account, subscription, {"status": "active"}, reported_as="customer.subscription.updated")


def _refuse_unless(bill: Object, verb: str, *statuses: str) -> None:
    if bill["status"] not in statuses:
        message = f"This invoice can't be {verb.replace('mark_', 'marked ')}: it is {bill['status']}."
        raise invalid(message, "invoice", code="invoice_not_editable")
