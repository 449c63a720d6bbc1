"""`/ops/accounts/{id}/grants` and `/adjustments`: credits that an operator grants, takes or corrects, with a reason."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

import attrs
import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.credits.ledger import EntryKind
from domain.decisions.operations import MAX_OPERATOR_NAME, MAX_REASON, AdjustCredits, GrantCredits
from domain.values.accounts import parse_user_id
from domain.values.plans import MAX_CREDITS
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import END_WANTED, Credits, EntryMade, IdempotencyKey, respond_with
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import KEY_WANTED
from entrypoints.http.timestamps import parse_timestamp
from entrypoints.services import Services

_SAYS_SOMETHING = r"^[^\x00]*[^\s\x00][^\x00]*\Z"
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON, pattern=_SAYS_SOMETHING)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_OPERATOR_NAME, pattern=_SAYS_SOMETHING)]


class GrantKind(StrEnum):
    """The kind of a grant without a payment. Promotions are spent first, then goodwill, then purchased credits."""

    PROMOTION = "promotion"
    GOODWILL = "goodwill"


@attrs.frozen(kw_only=True)
class GrantRequest:
    """The credits to grant; without `expires_at` they never expire."""

    kind: GrantKind
    credits: Credits
    reason: Reason
    operator: Name
    expires_at: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})] | None = None


@attrs.frozen(kw_only=True)
class Adjustment:
    """A signed correction; it never takes more than is available."""

    credits: Annotated[int, msgspec.Meta(ge=-MAX_CREDITS, le=MAX_CREDITS)]
    reason: Reason
    operator: Name


@post(
    "/ops/accounts/{user_id:str}/grants",
    opt={KEY_WANTED: True},
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 408, 413, 422, 503),
)
async def grant_credits(
    user_id: FromPath[str],
    data: JSONBody[GrantRequest],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[EntryMade]:
    """Grant credits without a payment. Repeating the request with the same key has no further effect."""
    operation = GrantCredits(
        user_id=parse_user_id(user_id),
        credits=data.credits,
        kind=EntryKind(data.kind.value),
        key=idempotency_key,
        reason=data.reason,
        operator=data.operator,
        # The domain checks that it is in the future, so that a retry gets the first answer even after that time.
        expires_at=parse_timestamp("expires_at", data.expires_at, wanted=END_WANTED),
    )
    return await respond_with(services, operation, status=HTTPStatus.CREATED)


@post(
    "/ops/accounts/{user_id:str}/adjustments",
    opt={KEY_WANTED: True},
    tags=["Operators"],
    responses=problem_responses(400, 401, 402, 403, 404, 408, 413, 422, 503),
)
async def adjust_credits(
    user_id: FromPath[str],
    data: JSONBody[Adjustment],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[EntryMade]:
    """Adjust an account by a signed amount. 402 if more would be taken than is available."""
    if data.credits == 0:
        raise problem(HTTPStatus.BAD_REQUEST, "nothing-to-adjust", "An adjustment of 0 credits changes nothing.")
    operation = AdjustCredits(
        user_id=parse_user_id(user_id),
        credits=data.credits,
        key=idempotency_key,
        reason=data.reason,
        operator=data.operator,
    )
    return await respond_with(services, operation, status=HTTPStatus.CREATED)


gift_handlers = (grant_credits, adjust_credits)
