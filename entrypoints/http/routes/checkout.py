"""`/checkout/sessions`: start a checkout, and follow it when the customer returns."""

import hashlib
import re
import uuid
from typing import Annotated

import attrs
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, SkipValidation

from domain.usecases.check_out import CheckoutStage, UnknownSession
from domain.values.accounts import UserId
from entrypoints.auth.authenticator import SignedInUser
from entrypoints.http.openapi import problem_responses
from entrypoints.http.request_bodies import ALLOW_UNKNOWN_FIELDS
from entrypoints.services import Services

_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


@attrs.frozen
class CheckoutWish:
    """The plan that the customer wants to buy, by its id in the catalogue."""

    plan: str


@attrs.frozen
class StartedCheckout:
    """The session, and the address of the page where the customer pays."""

    id: str
    url: str | None


@attrs.frozen
class FollowedCheckout:
    """Where the checkout stands: `credits` of it are on the account, which now has `balance`."""

    id: str
    status: CheckoutStage
    plan: str | None
    credits: int
    balance: int


@post(
    "/checkout/sessions",
    tags=["Checkout"],
    opt={ALLOW_UNKNOWN_FIELDS: True},
    responses=problem_responses(400, 401, 403, 404, 409, 413, 422, 502, 503),
)
async def start_checkout(
    data: JSONBody[CheckoutWish],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[SignedInUser]],
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key", max_length=255)] = None,
) -> StartedCheckout:
    """Open a checkout session. The same Idempotency-Key opens the same one.

    A subscription that costs nothing is refused while the account has it.
    """
    checkout = await services.checkout.start(
        caller.user_id,
        email=caller.email,
        plan_id=data.plan,
        idempotency_key=_stripe_key(caller.user_id, data.plan, idempotency_key),
        now=services.now(),
    )
    return StartedCheckout(id=checkout.session_id, url=checkout.url)


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
    """Say whether the credits are there; ask Stripe when they are not, and put them there if they are due.

    `credited` is never without credits: a trial that brings none is `trial_started`, what is done and brings none
    `nothing_due`, and what was credited once is `taken_back` or `credits_expired`.
    """
    if not _SESSION_ID.fullmatch(session_id):
        raise UnknownSession(session_id[:64])
    progress = await services.checkout.follow(caller.user_id, session_id)
    quota = await services.reader.quota(caller.user_id)
    return FollowedCheckout(
        id=progress.session_id,
        status=progress.stage,
        plan=progress.plan_id,
        credits=progress.credits,
        balance=quota.account.balance,
    )


def _stripe_key(user_id: UserId, plan_id: str, idempotency_key: str | None) -> str:
    # The caller's key is theirs alone: hashed with who they are and what they buy, it can't meet another's.
    if idempotency_key is None:
        return f"checkout-{uuid.uuid4()}"
    named = f"{user_id}\n{plan_id}\n{idempotency_key}"
    return f"checkout-{hashlib.sha256(named.encode()).hexdigest()}"
