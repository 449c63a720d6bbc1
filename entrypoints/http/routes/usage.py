"""`POST /usage`: a backend spends its users' credits."""

import re

import attrs
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.middleware import DefineMiddleware
from litestar.params import JSONBody, SkipValidation

from domain.decisions.operations import Spend
from domain.values.accounts import parse_user_id
from entrypoints.http.dependencies import services_of
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import (
    Credits,
    EntryMade,
    IdempotencyKey,
    Metadata,
    Text,
    answer_of,
    respond_with,
)
from entrypoints.http.request_bodies import KEY_WANTED, JsonRequest
from entrypoints.http.short_way import Answered, ShortWay
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class Usage:
    """The credits to spend, and what for."""

    user_id: str
    credits: Credits
    description: Text | None = None
    metadata: Metadata = attrs.field(factory=dict)


async def _plain_spend(request: JsonRequest, _: re.Match[bytes]) -> Answered:
    operation = _spend(await request.json(), request.headers["Idempotency-Key"])
    return await answer_of(services_of(request.app.state), operation)


@post(
    "/usage",
    status_code=200,
    opt={KEY_WANTED: True},
    tags=["Spending"],
    responses=problem_responses(400, 401, 402, 403, 404, 408, 413, 422, 429, 503),
    middleware=[DefineMiddleware(ShortWay, answer=_plain_spend)],
)
async def spend_credits(
    data: JSONBody[Usage],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[EntryMade]:
    """Spend credits. 402 if there are not enough; 422 if the key was used for a different request."""
    return await respond_with(services, _spend(data, idempotency_key))


def _spend(usage: Usage, key: str) -> Spend:
    return Spend(
        user_id=parse_user_id(usage.user_id),
        credits=usage.credits,
        key=key,
        description=usage.description,
        metadata=usage.metadata,
    )
