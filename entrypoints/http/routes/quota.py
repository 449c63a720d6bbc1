"""`GET /quota`: the credits that users may spend, now or at a past time."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import attrs
from litestar import Request, get
from litestar.middleware import DefineMiddleware
from litestar.params import QueryParameter

from domain.usecases.read_account import Quota, QuotaSource, TimeToCome
from domain.values.accounts import UserId
from entrypoints.auth.authenticator import Caller
from entrypoints.http.dependencies import caller_of, requested_account, services_of
from entrypoints.http.openapi import problem_responses
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import JsonRequest
from entrypoints.http.short_way import Answered, ShortWay
from entrypoints.http.timestamps import invalid_timestamp, parse_timestamp
from entrypoints.services import Services

MAX_QUOTAS = 100
"""The maximum number of accounts per request."""

_PLAIN = re.compile(rb"(?:user_id=(?P<user_id>[0-9A-Fa-f-]{36}))?")
"""The query of nearly all requests: the current quota of one user."""

UsersAskedFor = Annotated[
    list[str] | None,
    QueryParameter(name="user_id", description=f"For services and operators: the user, up to {MAX_QUOTAS} of them."),
]


@attrs.frozen(kw_only=True)
class QuotaAnswer:
    """A user's credits, and whether they come from the cache or the ledger."""

    user_id: str
    balance: int
    held: int
    available: int
    version: int
    source: QuotaSource


@attrs.frozen(kw_only=True)
class QuotaAt:
    """A user's credits at a past time."""

    user_id: str
    balance: int
    held: int
    available: int
    at: datetime


@attrs.frozen(kw_only=True)
class Quotas:
    """The credits of several users in the order of the request, and the ids of unknown users."""

    quotas: tuple[QuotaAnswer, ...]
    unknown: tuple[str, ...]


async def _plain_quota(request: JsonRequest, query: re.Match[bytes]) -> Answered:
    user_id = query["user_id"]
    named = requested_account(caller_of(request), user_id.decode() if user_id else None)
    return quota_answer(await services_of(request.app.state).reader.quota(named)), {}


@get(
    "/quota",
    tags=["Account"],
    responses=problem_responses(400, 401, 403, 404, 429, 503),
    middleware=[DefineMiddleware(ShortWay, query=_PLAIN, answer=_plain_quota)],
)
async def read_quota(
    request: Request[Any, Any, Any],
    user_id: UsersAskedFor = None,
    at: Annotated[str | None, QueryParameter(format="date-time", description="A past time; omit it for now.")] = None,
) -> QuotaAnswer | QuotaAt | Quotas:
    """Return the credits that the user may spend, now or `at` a past time. A service may name up to 100 users."""
    services, caller = services_of(request.app.state), caller_of(request)
    if user_id is not None and len(user_id) > 1:
        return await _quotas(services, caller, user_id, at)
    named = requested_account(caller, user_id[0] if user_id else None)
    wanted = parse_timestamp("at", at)
    if wanted is None:
        return quota_answer(await services.reader.quota(named))
    return await _quota_then(services, named, wanted)


async def _quota_then(services: Services, user_id: UserId, at: datetime) -> QuotaAt:
    try:
        then = await services.reader.quota_at(user_id, at)
    except TimeToCome:
        raise invalid_timestamp("at must not be in the future.") from None
    return QuotaAt(user_id=user_id, balance=then.balance, held=then.held, available=then.available, at=at)


async def _quotas(services: Services, caller: Caller, user_ids: list[str], at: str | None) -> Quotas:
    if at is not None:
        detail = "at takes a single user_id; for several users, omit it."
        raise problem(HTTPStatus.BAD_REQUEST, "one-user-at-a-moment", detail)
    if len(user_ids) > MAX_QUOTAS:
        detail = f"At most {MAX_QUOTAS} users per request."
        raise problem(HTTPStatus.BAD_REQUEST, "too-many-users", detail)
    named = [requested_account(caller, user_id) for user_id in user_ids]
    found = await services.reader.quotas(named)
    return Quotas(
        quotas=tuple(quota_answer(found[user_id]) for user_id in dict.fromkeys(named) if user_id in found),
        unknown=tuple(user_id for user_id in dict.fromkeys(named) if user_id not in found),
    )


def quota_answer(quota: Quota) -> QuotaAnswer:
    """Return an account's quota in its JSON form."""
    account = quota.account
    return QuotaAnswer(
        user_id=account.user_id,
        balance=account.balance,
        held=account.held,
        available=account.available,
        version=account.version,
        source=quota.source,
    )
