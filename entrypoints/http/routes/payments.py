"""`POST /payments`: a backend charges a customer's saved card for a pack."""

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import attrs
import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from litestar.plugins.problem_details import ProblemDetailsException

from domain.payments.charges import (
    CANCELED,
    INTERRUPTED,
    NEVER_MADE,
    NO_PERMISSION,
    NO_SAVED_CARD,
    USER_DELETED,
    Charge,
    ChargeId,
    ChargeStatus,
)
from domain.usecases.selling.charge import ChargeDiffers
from domain.values.accounts import parse_user_id
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import REPLAYED, IdempotencyKey
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import KEY_WANTED
from entrypoints.services import Services

RETRY_AFTER_SECONDS = "10"

PlanName = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00]*\Z")]

_SUSPICIONS = frozenset(
    {"fraudulent", "highest_risk_level", "lost_card", "merchant_blacklist", "pickup_card", "stolen_card"}
)
"""Codes that Stripe asks to keep from customers (https://docs.stripe.com/declines/codes): answers may reach a page."""
_GENERIC = "generic_decline"

_WORDS: Mapping[str, str] = {
    _GENERIC: "the bank gives no reason",
    "card_not_supported": "the card cannot be used for this kind of payment",
    "card_velocity_exceeded": "the card is over its limit",
    "currency_not_supported": "the card cannot be charged in this currency",
    "do_not_honor": "the bank gives no reason",
    "expired_card": "the card has expired",
    "incorrect_number": "the card's number is wrong",
    "insufficient_funds": "the card has insufficient funds",
    "invalid_account": "the card's account is invalid",
    "issuer_not_available": "the bank could not be reached",
    "processing_error": "the bank could not process the payment",
    "try_again_later": "the bank asks to try again later",
    "withdrawal_count_limit_exceeded": "the card is over its limit",
}
_ABANDONED: Mapping[str, str] = {
    CANCELED: "the payment was canceled at Stripe",
    INTERRUPTED: "it was interrupted before Stripe was asked",
    NEVER_MADE: "Stripe never made the payment",
    NO_PERMISSION: "Stripe did not show or make the customer; check the permissions of the Stripe key",
    USER_DELETED: "the user was deleted",
}
_UNCLEAR = (
    "Nobody knows yet whether the card was charged. Repeat the request with the same Idempotency-Key; a new key could "
    "charge twice."
)
_NOT_CREDITED = (
    "The card was charged, and the credits could not be added yet: the payment is parked. Repeat the request with the "
    "same Idempotency-Key; a new key would charge twice."
)


@attrs.frozen(kw_only=True)
class PaymentWanted:
    """The user whose saved card is charged, and the catalogue's id of the pack that they pay."""

    user_id: str
    plan: PlanName


@attrs.frozen(kw_only=True)
class PaymentMade:
    """The payment: its `amount` is in minor units of the currency, and it brings so many `credits`."""

    id: str
    user_id: str
    plan: str
    status: ChargeStatus
    credits: int
    amount: int
    currency: str
    payment_intent: str


@post(
    "/payments",
    opt={KEY_WANTED: True},
    tags=["Selling"],
    responses=problem_responses(400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def charge_saved_card(
    data: JSONBody[PaymentWanted],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[PaymentMade]:
    """Charge a user's saved card for a pack, and add its credits. One key charges once.

    402 says why the card was not charged; the same key returns it again. After 503 repeat the request with the same
    key: the card may have been charged.
    """
    charge_id = ChargeId(str(uuid.uuid4()))
    user_id = parse_user_id(data.user_id)
    try:
        result = await services.charges.charge(user_id, data.plan, key=idempotency_key, charge_id=charge_id)
    except ChargeDiffers as differs:
        raise _key_reused(differs) from differs
    headers = {REPLAYED: "true"} if result.is_repeated else {}
    return Response(_made(result.charge), status_code=HTTPStatus.CREATED, headers=headers)


def _made(charge: Charge) -> PaymentMade:
    """Return the payment.

    :raises ProblemDetailsException: if there is none, or none yet.
    """
    match charge.status:
        case ChargeStatus.SUCCEEDED:
            return PaymentMade(
                id=charge.id,
                user_id=charge.user_id,
                plan=charge.plan_id,
                status=charge.status,
                credits=charge.credits,
                amount=charge.amount,
                currency=charge.currency,
                payment_intent=charge.payment_intent or "",
            )
        case ChargeStatus.DECLINED:
            raise _declined(charge)
        case ChargeStatus.REQUIRES_ACTION:
            detail = (
                "Nothing was charged: the bank wants the customer to confirm the payment. Let them pay by a checkout."
            )
            raise problem(HTTPStatus.PAYMENT_REQUIRED, "authentication-required", detail)
        case ChargeStatus.ABANDONED if charge.code == NO_SAVED_CARD:
            detail = (
                "Nothing was charged: the customer has no saved card. Let them pay by a checkout of a plan that saves "
                "the card; then use a new key."
            )
            raise problem(HTTPStatus.PAYMENT_REQUIRED, "no-saved-card", detail)
        case ChargeStatus.ABANDONED:
            why = _ABANDONED.get(charge.code or "", f"Stripe refused the request ({charge.code})")
            detail = f"Nothing was charged, nor will be: {why}. To try again use a new key."
            raise problem(HTTPStatus.CONFLICT, "payment-abandoned", detail)
        case _:
            detail = _UNCLEAR if charge.payment_intent is None else _NOT_CREDITED
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise problem(status, "payment-unclear", detail, retry_after=RETRY_AFTER_SECONDS)


def _declined(charge: Charge) -> ProblemDetailsException:
    code = charge.code or _GENERIC
    shown = _GENERIC if code in _SUSPICIONS else code
    why = _WORDS.get(shown, shown.replace("_", " "))
    if charge.is_hard:
        kind, advice = "card-declined", "This card will be declined again: ask the customer for another one."
    else:
        kind, advice = "card-declined-for-now", "Try again later with a new key."
    declined = problem(HTTPStatus.PAYMENT_REQUIRED, kind, f"Nothing was charged: {why}. {advice}")
    declined.extra = {"decline_code": shown}
    return declined


def _key_reused(error: ChargeDiffers) -> ProblemDetailsException:
    """Return the problem of a key that was used for another user or plan."""
    detail = f"The Idempotency-Key was already used for a payment with different: {', '.join(error.fields)}."
    reported = problem(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", detail)
    reported.extra = {"fields": error.fields}
    return reported
