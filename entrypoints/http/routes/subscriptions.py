"""`/subscription`: what an account subscribes to, and its change or end, each with a preview of money and credits."""

import hashlib
from http import HTTPStatus
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, SkipValidation

from domain.usecases.selling.cancel_subscription import CancelWish
from domain.usecases.selling.plan_changes import ChangeWish
from domain.values.accounts import UserId
from entrypoints.auth.authenticator import Caller, Forbidden, SignedInUser
from entrypoints.http.dependencies import requested_account
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import IdempotencyKey
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import KEY_WANTED
from entrypoints.http.subscription_answers import (
    CancelRequest,
    ChangeRequest,
    Preview,
    SubscriptionChanged,
    SubscriptionsHeld,
    When,
    changed_answer,
    held_answer,
    preview_answer,
)
from entrypoints.http.timestamps import parse_timestamp
from entrypoints.services import Services

MOMENT_WANTED = "proration_date must be that of a preview, a time with its offset from UTC."

_REFUSED = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 502, 503)


@get("/subscription", tags=["Subscriptions"], responses=problem_responses(400, 401, 403, 404, 429, 503))
async def list_subscriptions(
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    user_id: Annotated[str | None, QueryParameter(description="For services: the user.")] = None,
) -> SubscriptionsHeld:
    """Return the account's live subscriptions, as the ledger knows them by Stripe's events."""
    live = await services.subscriptions.reader.live(requested_account(caller, user_id))
    return SubscriptionsHeld(tuple(map(held_answer, live)))


@post("/subscription/change/preview", status_code=200, tags=["Subscriptions"], responses=problem_responses(*_REFUSED))
async def preview_change(
    data: JSONBody[ChangeRequest],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Preview:
    """Return what a change of plan would cost, and which credits it would bring and take. Nothing is changed."""
    wish = _change_of(data, caller)
    await services.limits.checkouts.admit(wish.user_id)
    return preview_answer(await services.subscriptions.changer.preview(wish))


@post(
    "/subscription/change",
    status_code=200,
    opt={KEY_WANTED: True},
    tags=["Subscriptions"],
    responses=problem_responses(*_REFUSED),
)
async def change_subscription(
    data: JSONBody[ChangeRequest],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> SubscriptionChanged:
    """Change the plan: now, with the difference charged, or from the next period on. 402 if the bank does not pay.

    Repeated with the same key, it is changed once. After 402, use a new key. The credits follow by Stripe's events.
    """
    wish = _change_of(data, caller)
    await services.limits.checkouts.admit(wish.user_id)
    changed = await services.subscriptions.changer.change(wish, key=_stripe_key(wish.user_id, idempotency_key))
    return changed_answer(changed)


@post("/subscription/cancel/preview", status_code=200, tags=["Subscriptions"], responses=problem_responses(*_REFUSED))
async def preview_cancellation(
    data: JSONBody[CancelRequest],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Preview:
    """Return what a cancellation would give back, and which credits it would take. Nothing is changed."""
    wish = _cancellation_of(data, caller)
    await services.limits.checkouts.admit(wish.user_id)
    return preview_answer(await services.subscriptions.canceler.preview(wish))


@post("/subscription/cancel", status_code=200, tags=["Subscriptions"], responses=problem_responses(*_REFUSED))
async def cancel_subscription(
    data: JSONBody[CancelRequest],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> SubscriptionChanged:
    """Cancel the subscription when its period ends, or now. Repeating the request has no further effect.

    What was paid stays until the period ends, unless unused time is given back.
    """
    wish = _cancellation_of(data, caller)
    await services.limits.checkouts.admit(wish.user_id)
    canceled = await services.subscriptions.canceler.cancel(wish)
    return changed_answer(canceled)


def _change_of(data: ChangeRequest, caller: Caller) -> ChangeWish:
    return ChangeWish(
        user_id=requested_account(caller, data.user_id),
        plan_id=data.plan,
        at_once=data.when is When.NOW,
        subscription_id=data.subscription,
        prorated_at=parse_timestamp("proration_date", data.proration_date, wanted=MOMENT_WANTED),
        price_id=data.price,
    )


def _cancellation_of(data: CancelRequest, caller: Caller) -> CancelWish:
    if data.give_back and isinstance(caller, SignedInUser):
        raise Forbidden("Only a service can give back unused time.")
    if data.give_back and data.when is not When.NOW:
        detail = 'Unused time is given back only if the subscription ends now: say "when": "now".'
        raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, "not-at-once", detail)
    return CancelWish(
        user_id=requested_account(caller, data.user_id),
        at_once=data.when is When.NOW,
        gives_back=data.give_back,
        subscription_id=data.subscription,
    )


def _stripe_key(user_id: UserId, idempotency_key: str) -> str:
    # Hash the key with the user, so that it cannot collide with another user's key.
    named = f"{user_id}\n{idempotency_key}"
    return f"change-{hashlib.sha256(named.encode()).hexdigest()}"


subscription_handlers = (
    list_subscriptions,
    preview_change,
    change_subscription,
    preview_cancellation,
    cancel_subscription,
)
