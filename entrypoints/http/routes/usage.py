"""`POST /usage`: a backend spends its users' credits."""

import attrs
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from domain.decisions.operations import Spend
from domain.values.accounts import parse_user_id
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import Credits, EntryMade, IdempotencyKey, Metadata, Text, respond_with
from entrypoints.http.request_bodies import KEY_WANTED
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class Usage:
    """The credits to spend, and what for."""

    user_id: str
    credits: Credits
    description: Text | None = None
    metadata: Metadata = attrs.field(factory=dict)


@post(
    "/usage",
    status_code=200,
    opt={KEY_WANTED: True},
    tags=["Spending"],
    responses=problem_responses(400, 401, 402, 403, 404, 408, 413, 422, 429, 503),
)
async def spend_credits(
    data: JSONBody[Usage],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[EntryMade]:
    """Spend credits. 402 if there are not enough; 422 if the key was used for a different request."""
    operation = Spend(
        user_id=parse_user_id(data.user_id),
        credits=data.credits,
        key=idempotency_key,
        description=data.description,
        metadata=data.metadata,
    )
    return await respond_with(services, operation)
