"""Answers requests that change something, resource by resource: the catalogue, customers, payments and refunds."""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.lists import integer
from simulators.stripe.requests.parameters import boolean, merged_metadata
from simulators.stripe.requests.refusals import invalid
from simulators.stripe.resources import (
    balances,
    catalogue,
    coupons,
    credit_notes,
    customers,
    invoices,
    payment_intents,
    payment_methods,
    payment_pages,
    previews,
    subscriptions,
)
from simulators.stripe.resources.edits import edit, report_change
from simulators.stripe.selling import portal, promotion_codes

_Resource = Callable[[StripeAccount, str, list[str], Mapping[str, Any]], Object | None]
_RESOURCES: tuple[_Resource, ...] = (
    balances.change,
    catalogue.change,
    coupons.change,
    credit_notes.change,
    customers.change,
    previews.change,
    invoices.change,
    payment_intents.change,
    payment_methods.change,
    payment_pages.change,
    portal.change,
    promotion_codes.change,
    subscriptions.change,
)


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Do what a request below `/v1/` asks for; gives the object as it is kept, None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["refunds"]:
            return _refund(account, parameters)
        case "POST", ["refunds", refund_id]:
            made = edit(account, "refund", refund_id, parameters)
            account.report("charge.refund.updated", made)
            return made
        case "POST", ["refunds", refund_id, "cancel"]:
            account.reversals.cancel_refund(refund_id)
            return account.kept("refund", refund_id)
        case "POST", ["disputes", dispute_id]:
            return _respond(account, dispute_id, parameters)
        case "POST", ["disputes", dispute_id, "close"]:
            account.reversals.close_dispute(dispute_id, "lost")
            return account.kept("dispute", dispute_id)
        case _:
            answers = (resource(account, method, path, parameters) for resource in _RESOURCES)
            return next((answer for answer in answers if answer is not None), None)


def _refund(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    named = [name for name in ("charge", "payment_intent") if parameters.get(name)]
    if len(named) != 1:
        raise invalid("Name one of charge and payment_intent.", "charge", code="parameter_missing")
    given = parameters.get("amount")
    metadata = parameters.get("metadata") or {}
    payment, amount = str(parameters[named[0]]), None if given is None else integer(given, "amount")
    becomes = account.reversals.fate(payment)
    events = account.reversals.refund(
        payment, amount, status="pending" if becomes == "pending" else "succeeded", metadata=metadata
    )
    made = account.kept("refund", events[0]["data"]["object"]["id"])
    if becomes == "failed":
        account.reversals.fail_refund(made["id"])
    return made


def _respond(account: StripeAccount, dispute_id: str, parameters: Mapping[str, Any]) -> Object:
    found = account.kept("dispute", dispute_id)
    if "metadata" in parameters:
        after = {"metadata": merged_metadata(found["metadata"], parameters)}
        report_change(account, found, after, reported_as="charge.dispute.updated")
    if parameters.get("evidence") or boolean(parameters, "submit") or "metadata" not in parameters:
        account.reversals.respond(dispute_id)
    return found
