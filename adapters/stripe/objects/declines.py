"""Reads why a bank declined a card: for good, for now, or until the customer confirms the payment."""

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object
from domain.payments.charges import AuthenticationRequired, Declined

AUTHENTICATION_REQUIRED = "authentication_required"

HARD_DECLINES = frozenset(
    {
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)
"""Codes of https://docs.stripe.com/declines/codes after which the same card is declined again; others may pass."""


def read_decline(error: Object, intent_id: str | None) -> Declined | AuthenticationRequired:
    """Return why a payment failed, from the payment's `last_payment_error` or the error of a request.

    :raises UnreadableField: if its structure is unknown.
    """
    code = fields.text(error, "decline_code") or fields.text(error, "code") or "generic_decline"
    if AUTHENTICATION_REQUIRED in (code, fields.text(error, "code")):
        return AuthenticationRequired(intent_id)
    # https://docs.stripe.com/declines/network-codes: the network's own advice goes before the code.
    advice = fields.text(error, "advice_code")
    is_hard = advice in ("confirm_card_data", "do_not_try_again") or (code in HARD_DECLINES and advice is None)
    return Declined(intent_id, code, is_hard)
