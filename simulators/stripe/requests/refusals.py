"""Builds Stripe's refusals, as statuses and error objects of its API."""

import attrs

from simulators.stripe.objects import Object

_DECLINES = {
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "debit_not_authorized": "The customer's bank did not authorize the debit.",
    "expired_card": "Your card has expired.",
    "insufficient_funds": "Your card has insufficient funds.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
_OWN_CODES = ("authentication_required", "debit_not_authorized", "expired_card", "processing_error")


@attrs.frozen
class Refusal(Exception):
    """A request that Stripe would refuse, with the status and the error object of its answer."""

    status: int
    body: Object


def error(kind: str, message: str, *, code: str | None = None, param: str | None = None) -> Object:
    """Return an API error."""
    fields = {"type": kind, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in fields.items() if value is not None}}


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Refusal:
    """Return a refusal of a whole request."""
    return Refusal(status, error("invalid_request_error", message, code=code, param=param))


def invalid(message: str, param: str, *, code: str | None = None) -> Refusal:
    """Return a refusal of one parameter."""
    return refusal(400, message, code=code, param=param)


def missing(kind: str, wanted: str, *, param: str = "id", status: int = 404) -> Refusal:
    """Return a refusal because there is no such object."""
    return refusal(status, f"No such {kind}: '{wanted}'", code="resource_missing", param=param)


def declined(code: str = "card_declined", *, intent: Object | None = None) -> Refusal:
    """Return a refusal by the customer's bank, of a payment where there is one."""
    message = _DECLINES.get(code, "Your card was declined.")
    # The other reasons of a plain decline are reported beside its code.
    plain = code not in _OWN_CODES
    given = error("card_error", message, code="card_declined" if plain else code)
    given["error"]["decline_code"] = "generic_decline" if code == "card_declined" else code
    if intent is not None:
        given["error"]["payment_intent"] = intent
    return Refusal(402, given)
