"""Payments that are made by Stripe's API without a checkout page: payment intents, from their creation to the money."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.shapes import balance, charge
from simulators.stripe.objects import Object, payment_intent
from simulators.stripe.requests.parameters import (
    boolean,
    count,
    currency,
    mapping,
    metadata,
    refuse_unknown,
    require,
    text,
    texts,
)
from simulators.stripe.requests.refusals import declined, invalid
from simulators.stripe.resources.edits import edit
from simulators.stripe.resources.payment_methods import Outcome, found_method, outcome_of
from simulators.stripe.selling.saved_cards import is_off_session, refuse_others

_CONFIRMATION = ("mandate_data", "off_session", "payment_method", "payment_method_options", "return_url")
_PARAMETERS = (
    *_CONFIRMATION,
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "customer",
    "description",
    "metadata",
    "payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "shipping",
)
_UNPAID = ("requires_payment_method", "requires_confirmation", "requires_action")
MIN_AMOUNT = 50


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, confirm, capture, cancel or change a payment intent; None where there is no such route.

    :raises Refusal: if Stripe, or the customer's bank, would refuse it.
    """
    match method, path:
        case "POST", ["payment_intents"]:
            return _made(account, parameters)
        case "POST", ["payment_intents", wanted]:
            return edit(account, "payment_intent", wanted, parameters, texts=("description", "receipt_email"))
        case "POST", ["payment_intents", wanted, "confirm"]:
            refuse_unknown(parameters, _CONFIRMATION)
            intent = account.kept("payment_intent", wanted)
            _refuse_unless(intent, "confirmed", *_UNPAID)
            _take_method(account, intent, parameters)
            return confirm(account, intent, is_away=is_off_session(parameters, confirms=True))
        case "POST", ["payment_intents", wanted, "capture"]:
            return _capture(account, account.kept("payment_intent", wanted), parameters)
        case "POST", ["payment_intents", wanted, "cancel"]:
            refuse_unknown(parameters, ("cancellation_reason",))
            return _cancel(account, account.kept("payment_intent", wanted), text(parameters, "cancellation_reason"))
        case _:
            return None


def new_intent(account: StripeAccount, amount: int, in_currency: str, **fields: Any) -> Object:
    """Return a payment intent that nobody has paid yet."""
    session = {
        "amount_total": amount,
        "currency": in_currency,
        "payment_method_types": fields.pop("payment_method_types", None) or ["card"],
        "customer_email": fields.pop("receipt_email", None),
    }
    intent_id = account.new_id("pi_")
    intent = payment_intent(
        intent_id, session, created=account.now(), metadata=fields.pop("metadata", {}), charge_id=None
    )
    intent |= {"client_secret": account.new_id(f"{intent_id}_secret_"), "status": "requires_payment_method", **fields}
    account.keep(intent)
    account.report("payment_intent.created", intent)
    return intent


def confirm(account: StripeAccount, intent: Object, *, is_away: bool = False) -> Object:
    """Pay an intent by its method, with all that its bank makes of it; the customer may be away.

    :raises Refusal: if it has no method, or the bank declines.
    """
    if intent["payment_method"] is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise invalid(message, "payment_method", code="payment_intent_unexpected_state")
    method = account.kept("payment_method", intent["payment_method"])
    outcome = outcome_of(method)
    refuse_others(method, intent["customer"])
    decline = outcome.decline or ("authentication_required" if outcome.needs_action and is_away else None)
    if decline is not None:
        _fail(account, intent, method, decline)
        raise declined(decline, intent=account.shown(intent))
    if outcome.needs_action:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        account.report("payment_intent.requires_action", intent)
    elif method["type"] == "sepa_debit":
        _debit(account, intent, method, outcome)
    elif intent["capture_method"] == "manual":
        made = _charge(account, intent, method) | {"captured": False, "amount_captured": 0}
        account.keep(made)
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"], "latest_charge": made["id"]}
        account.report("charge.succeeded", made)
        account.report("payment_intent.amount_capturable_updated", intent)
    else:
        _succeed(account, intent, method)
        follow_up(account, intent, outcome)
    return intent


def follow_up(account: StripeAccount, intent: Object, outcome: Outcome) -> None:
    """Let happen to a payment what its test card says of the time after."""
    account.kept("charge", intent["latest_charge"])["_refund_becomes"] = outcome.refund
    if outcome.is_available:
        account.report("balance.available", balance())
    if outcome.dispute is not None:
        account.reversals.dispute(intent["id"], inquiry=outcome.is_inquiry, reason=outcome.dispute)


def _made(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PARAMETERS)
    require(parameters, "amount", "currency")
    amount = count(parameters["amount"], "amount")
    if amount < MIN_AMOUNT:
        raise invalid("Amount must be at least 50", "amount", code="amount_too_small")
    customer = text(parameters, "customer")
    if customer is not None:
        account.kept("customer", customer)
    manual = text(parameters, "capture_method") == "manual"
    confirms = boolean(parameters, "confirm") or False
    is_away = is_off_session(parameters, confirms=confirms)
    method_id = text(parameters, "payment_method")
    method = found_method(account, method_id) if method_id else None
    intent = new_intent(
        account,
        amount,
        currency(parameters),
        capture_method="manual" if manual else "automatic_async",
        confirmation_method=text(parameters, "confirmation_method") or "automatic",
        customer=customer,
        description=text(parameters, "description"),
        metadata=metadata(parameters),
        payment_method=method["id"] if method else None,
        payment_method_types=texts(parameters, "payment_method_types"),
        receipt_email=text(parameters, "receipt_email"),
        setup_future_usage=text(parameters, "setup_future_usage"),
        shipping=mapping(parameters, "shipping") or None,
        status="requires_confirmation" if method else "requires_payment_method",
    )
    return confirm(account, intent, is_away=is_away) if confirms else intent


def _take_method(account: StripeAccount, intent: Object, parameters: Mapping[str, Any]) -> None:
    wanted = text(parameters, "payment_method")
    if wanted is not None:
        intent["payment_method"] = found_method(account, wanted)["id"]


def _charge(account: StripeAccount, intent: Object, method: Object) -> Object:
    made = charge(account.new_id("ch_"), intent, created=account.now(), invoice=intent.get("_invoice"))
    return made | {
        "billing_details": method["billing_details"],
        "description": intent["description"],
        "payment_method": method["id"],
        "payment_method_details": {method["type"]: method[method["type"]], "type": method["type"]},
    }


def _succeed(account: StripeAccount, intent: Object, method: Object) -> None:
    made = _charge(account, intent, method)
    account.keep(made)
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": made["id"]}
    account.report("charge.succeeded", made)
    account.report("payment_intent.succeeded", intent)


def _fail(account: StripeAccount, intent: Object, method: Object, code: str) -> None:
    failure = declined(code).body["error"]
    failed = {"paid": False, "captured": False, "amount_captured": 0, "balance_transaction": None, "status": "failed"}
    reason = {"failure_code": failure["code"], "failure_message": failure["message"]}
    made = _charge(account, intent, method) | failed | reason
    account.keep(made)
    intent |= {"status": "requires_payment_method", "latest_charge": made["id"], "last_payment_error": failure}
    intent["payment_method"] = None
    account.report("charge.failed", made)
    account.report("payment_intent.payment_failed", intent)


def _debit(account: StripeAccount, intent: Object, method: Object, outcome: Outcome) -> None:
    intent["status"] = "processing"
    account.report("payment_intent.processing", intent)
    if outcome.arrives is True:
        _succeed(account, intent, method)
    elif outcome.arrives is False:
        _fail(account, intent, method, "debit_not_authorized")


def _capture(account: StripeAccount, intent: Object, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, ("amount_to_capture",))
    _refuse_unless(intent, "captured", "requires_capture")
    amount = count(parameters.get("amount_to_capture", str(intent["amount"])), "amount_to_capture")
    if not 0 < amount <= intent["amount"]:
        raise invalid("The capture amount is more than what is capturable", "amount_to_capture")
    made = account.kept("charge", intent["latest_charge"])
    made |= {"captured": True, "amount_captured": amount}
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    if amount < made["amount"]:
        account.reversals.release(made, made["amount"] - amount)
    account.report("charge.captured", made)
    account.report("payment_intent.succeeded", intent)
    return intent


def _cancel(account: StripeAccount, intent: Object, reason: str | None) -> Object:
    _refuse_unless(intent, "canceled", *_UNPAID, "requires_capture")
    intent |= {"status": "canceled", "amount_capturable": 0, "canceled_at": account.now()}
    intent["cancellation_reason"] = reason
    account.report("payment_intent.canceled", intent)
    return intent


def _refuse_unless(intent: Object, verb: str, *statuses: str) -> None:
    if intent["status"] not in statuses:
        message = f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}."
        raise invalid(message, "intent", code="payment_intent_unexpected_state")
