"""Answers the hosted checkout page's requests, and `stripe trigger`'s: they pay a session by a payment method."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, require
from simulators.stripe.requests.refusals import declined, invalid, missing
from simulators.stripe.resources.payment_intents import follow_up
from simulators.stripe.resources.payment_methods import found_method, outcome_of


def shown_page(account: StripeAccount, session_id: str) -> Object:
    """Return the page of a session.

    :raises Refusal: if there is no such session.
    """
    session = account.session(session_id)
    if session is None:
        raise missing("payment_page", session_id)
    return {
        "id": session_id.replace("cs_test_", "ppage_"),
        "object": "checkout.session",
        "currency": session["currency"],
        "livemode": False,
        "mode": session["mode"],
        "payment_intent": session["payment_intent"],
        "payment_method_types": session["payment_method_types"],
        "payment_status": session["payment_status"],
        "session_id": session_id,
        "status": session["status"],
        "success_url": session["success_url"],
        "total_summary": {"due": session["amount_total"], "subtotal": session["amount_subtotal"]},
    }


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Pay a session; None where there is no such route.

    :raises Refusal: if the session can't be paid so, or the bank declines.
    """
    match method, path:
        case "POST", ["payment_pages", session_id, "confirm"]:
            _confirm(account, session_id, parameters)
            return shown_page(account, session_id)
        case _:
            return None


def _confirm(account: StripeAccount, session_id: str, parameters: Mapping[str, Any]) -> None:
    page = shown_page(account, session_id)
    require(parameters, "payment_method", "expected_amount")
    method = found_method(account, str(parameters["payment_method"]))
    due = page["total_summary"]["due"]
    if count(parameters["expected_amount"], "expected_amount") != due:
        message = f"The expected amount does not match what the session costs ({due})."
        raise invalid(message, "expected_amount", code="checkout_amount_mismatch")
    if method["type"] not in page["payment_method_types"]:
        raise invalid(f"This session can't be paid by {method['type']}.", "payment_method")
    outcome, email = outcome_of(method), method["billing_details"]["email"]
    if outcome.decline is not None or outcome.needs_action:
        raise declined(outcome.decline or "authentication_required")
    is_debit = method["type"] == "sepa_debit"
    account.pay(session_id, "delayed" if is_debit else "card", email=email)
    if not is_debit:
        intent_id = shown_page(account, session_id)["payment_intent"]
        if intent_id is not None:
            follow_up(account, account.kept("payment_intent", intent_id), outcome)
    elif outcome.arrives is True:
        account.settle(session_id)
    elif outcome.arrives is False:
        account.fail(session_id)
