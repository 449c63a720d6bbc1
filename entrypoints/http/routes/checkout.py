"""`/checkout/sessions`: start a checkout, and follow it when the customer returns."""

import hashlib
import re
import uuid
from typing import Annotated

import attrs
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, SkipValidation

from domain.decisions.checkout_progress import CheckoutStage
from domain.decisions.quotes import Wish
from domain.usecases.check_out import UnknownSession
from domain.values.accounts import UserId
from entrypoints.auth.authenticator import SignedInUser
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import KEY_PATTERN
from entrypoints.http.request_bodies import ALLOW_UNKNOWN_FIELDS, KEY_TAKEN
from entrypoints.services import Services

_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


@attrs.frozen
class CheckoutWish:
    """The catalogue's id of the plan that the customer wants to buy, and what they choose.

    `quantity` is for plans that are sold in quantities, `amount` in minor units for those whose buyer chooses the
    amount, and `currency` for those with several; without it, the plan's own applies.
    """

    plan: str
    quantity: int | None = None
    amount: int | None = None
    currency: str | None = None


@attrs.frozen
class StartedCheckout:
    """The session, and the address of the page where the customer pays.

    If the checkout is embedded, `url` is null and `client_secret` is what Stripe.js shows it with.
    """

    id: str
    url: str | None
    client_secret: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class FollowedCheckout:
    """The checkout's status: `credits` of it are on the account, whose balance is now `balance`."""

    id: str
    status: CheckoutStage
    plan: str | None
    credits: int
    balance: int


@post(
    "/checkout/sessions",
    tags=["Checkout"],
    opt={ALLOW_UNKNOWN_FIELDS: True, KEY_TAKEN: True},
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 422, 429, 502, 503),
)
async def start_checkout(
    data: JSONBody[CheckoutWish],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[SignedInUser]],
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key", pattern=KEY_PATTERN)] = None,
) -> StartedCheckout:
    """Open a checkout session. Repeating the request with the same Idempotency-Key returns the same session.

    A free subscription is refused while the account already has it. A quantity, an amount or a currency in which the
    plan is not sold gets 422.
    """
    await services.limits.checkouts.admit(caller.user_id)
    checkout = await services.checkout.start(
        caller.user_id,
        email=caller.email,
        plan_id=data.plan,
        idempotency_key=_stripe_key(caller.user_id, data.plan, idempotency_key),
        is_repeatable=idempotency_key is not None,
        wish=Wish(quantity=data.quantity, amount=data.amount, currency=data.currency),
    )
    return StartedCheckout(id=checkout.session_id, url=checkout.url, client_secret=checkout.client_secret)


@get(
    "/checkout/sessions/{session_id:str}",
    tags=["Checkout"],
    responses=problem_responses(400, 401, 403, 404, 502, 503),
)
async def follow_checkout(
    session_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[SignedInUser]],
) -> FollowedCheckout:
    """Return the status of a checkout. Credits that are due and not on the account yet are added.

    `credited` always comes with credits. A trial without credits is `trial_started`, a finished checkout that grants
    none `nothing_due`, and credits that were granted and are gone `taken_back` or `credits_expired`.
    """
    if not _SESSION_ID.fullmatch(session_id):
        raise UnknownSession(session_id[:64])
    progress = await services.checkout.follow(caller.user_id, session_id)
    return FollowedCheckout(
        id=progress.session_id,
        status=progress.stage,
        plan=progress.plan_id,
        credits=progress.credits,
        balance=progress.balance,
    )


def _stripe_key(user_id: UserId, plan_id: str, idempotency_key: str | None) -> str:
    # Hash the key with the user and the plan, so that it cannot collide with another user's key.
    if idempotency_key is None:
        return f"checkout-{uuid.uuid4()}"
    named = f"{user_id}\n{plan_id}\n{idempotency_key}"
    return f"checkout-{hashlib.sha256(named.encode()).hexdigest()}"
