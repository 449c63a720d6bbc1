"""Payment methods of a simulated Stripe account, and what comes of Stripe's test cards and test bank accounts."""

from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object, card, payment_method
from simulators.stripe.requests.parameters import mapping, metadata, refuse_unknown, require, text
from simulators.stripe.requests.refusals import declined, invalid, missing
from simulators.stripe.resources.edits import edit


@attrs.frozen
class Outcome:
    """The outcome of a payment by a method: declined, to be confirmed, decided later, disputed, or just paid."""

    decline: str | None = None
    """The code of the error; `card_declined` is the plain one."""
    declines_when_attached: bool = True
    needs_action: bool = False
    arrives: bool | None = True
    """Whether the money of a debit arrives; None: that is decided later."""
    dispute: str | None = None
    """The reason of the dispute that follows."""
    is_inquiry: bool = False
    refund: str = "succeeded"
    """What becomes of a refund."""
    is_available: bool = False
    """Whether the money is on the balance at once."""


PAID = Outcome()
_BRANDS = {"visa": "4242", "mastercard": "4444", "amex": "8431", "discover": "9424"}
# Of docs.stripe.com/testing: the name, the number's last four digits, and what comes of it.
_CARDS: Mapping[str, tuple[str, Outcome]] = {
    **{name: (digits, PAID) for name, digits in _BRANDS.items()},
    "bypassPending": ("0077", Outcome(is_available=True)),
    "chargeDeclined": ("0002", Outcome(decline="card_declined")),
    "chargeDeclinedInsufficientFunds": ("9995", Outcome(decline="insufficient_funds")),
    "chargeDeclinedLostCard": ("9987", Outcome(decline="lost_card")),
    "chargeDeclinedExpiredCard": ("0069", Outcome(decline="expired_card")),
    "chargeDeclinedProcessingError": ("0119", Outcome(decline="processing_error")),
    "chargeCustomerFail": ("0341", Outcome(decline="card_declined", declines_when_attached=False)),
    "authenticationRequired": ("3184", Outcome(needs_action=True)),
    "threeDSecure2Required": ("3220", Outcome(needs_action=True)),
    "threeDSecureRequired": ("3063", Outcome(needs_action=True)),
    "createDispute": ("0259", Outcome(dispute="fraudulent")),
    "createDisputeProductNotReceived": ("2685", Outcome(dispute="product_not_received")),
    "createDisputeInquiry": ("1976", Outcome(dispute="fraudulent", is_inquiry=True)),
    "pendingRefund": ("7726", Outcome(refund="pending")),
    "refundFail": ("5126", Outcome(refund="failed")),
}
# Of docs.stripe.com/payments/sepa-debit, at once here; any other account's debit stays on its way.
_ACCOUNTS: Mapping[str, Outcome] = {
    "AT611904300234573201": PAID,
    "AT861904300235473202": Outcome(arrives=False),
    "IT60X0542811101000000123456": Outcome(arrives=False),
}


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change, attach or detach a payment method; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["payment_methods"]:
            return _made(account, parameters)
        case "POST", ["payment_methods", wanted]:
            return edit(account, "payment_method", wanted, parameters)
        case "POST", ["payment_methods", wanted, "attach"]:
            refuse_unknown(parameters, ("customer",))
            require(parameters, "customer")
            customer = account.kept("customer", str(parameters["customer"]))
            return attach(account, found_method(account, wanted), customer["id"])
        case "POST", ["payment_methods", wanted, "detach"]:
            kept = account.kept("payment_method", wanted)
            if kept["customer"] is None:
                raise invalid("The payment method is not attached to a customer.", "payment_method")
            kept["customer"] = None
            account.report("payment_method.detached", kept)
            return kept
        case _:
            return None


def found_method(account: StripeAccount, wanted: str) -> Object:
    """Return a kept payment method, or a new one of a test card such as `pm_card_visa`.

    :raises Refusal: if there is none of that id.
    """
    if not wanted.startswith("pm_card_"):
        return account.kept("payment_method", wanted)
    return _of_card(account, wanted, wanted.removeprefix("pm_card_"))


def outcome_of(method: Object) -> Outcome:
    """Return what comes of a payment by this method."""
    found: Outcome = method.get("_outcome", PAID)
    return found


def save(account: StripeAccount, customer_id: str, name: str = "visa", *, decline: str | None = None) -> Object:
    """Return a test card that a customer saved before, and that is declined from now on if there is a code."""
    saved = _of_card(account, name, name)
    saved["customer"] = customer_id
    if decline is not None:
        saved["_outcome"] = attrs.evolve(outcome_of(saved), decline=decline, declines_when_attached=False)
    return saved


def attach(account: StripeAccount, method: Object, customer_id: str) -> Object:
    """Let a payment method be a customer's.

    :raises Refusal: if the bank declines the card.
    """
    outcome = outcome_of(method)
    if outcome.decline is not None and outcome.declines_when_attached:
        raise declined(outcome.decline)
    method["customer"] = customer_id
    account.report("payment_method.attached", method)
    return method


def _made(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    kind = text(parameters, "type")
    refuse_unknown(parameters, ("billing_details", "metadata", "type", str(kind)))
    details = mapping(parameters, "billing_details")
    if kind == "card":
        token = text(mapping(parameters, "card"), "token", "card") or ""
        return _of_card(account, token, token.removeprefix("tok_"), details, metadata(parameters))
    if kind == "sepa_debit":
        iban = (text(mapping(parameters, "sepa_debit"), "iban", "sepa_debit") or "").replace(" ", "")
        if not (iban.isascii() and iban.isalnum() and 15 <= len(iban) <= 34):
            raise invalid("The IBAN is invalid.", "sepa_debit[iban]", code="invalid_iban")
        shown = {"bank_code": iban[4:9], "branch_code": "", "country": iban[:2], "last4": iban[-4:]}
        return _kept(account, kind, shown, _ACCOUNTS.get(iban, Outcome(arrives=None)), details, metadata(parameters))
    raise invalid("Invalid type: must be one of card or sepa_debit", "type")


def _of_card(
    account: StripeAccount,
    asked: str,
    name: str,
    details: Mapping[str, Any] | None = None,
    fields: dict[str, str] | None = None,
) -> Object:
    # Some tests cards are named with their brand too: pm_card_visa_chargeDeclined.
    known = _CARDS.get(name) or _CARDS.get(name.removeprefix("visa_"))
    if known is None:
        raise missing("PaymentMethod", asked, param="payment_method", status=400)
    digits, outcome = known
    brand = name if name in ("mastercard", "amex", "discover") else "visa"
    return _kept(account, "card", card(brand, digits), outcome, details or {}, fields or {})


def _kept(
    account: StripeAccount,
    kind: str,
    shown: Object,
    outcome: Outcome,
    details: Mapping[str, Any],
    fields: dict[str, str],
) -> Object:
    made = payment_method(account.new_id("pm_"), kind, shown, created=account.now(), metadata=fields, _outcome=outcome)
    made["billing_details"] |= details
    account.keep(made)
    return made
