"""`/usage` and `/holds`: a product's backend spends its users' credits, or sets them aside before the cost is known."""

import uuid
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import attrs
import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.decisions.operations import MAX_HOLD, RESERVED_NAME, CaptureHold, PlaceHold, Spend, VoidHold
from domain.values.accounts import parse_user_id
from domain.values.plans import MAX_CREDITS
from entrypoints.auth.authenticator import Caller
from entrypoints.http.openapi import SERVICES, problem_responses
from entrypoints.http.operation_answers import (
    Credits,
    EntryMade,
    HoldMade,
    IdempotencyKey,
    Metadata,
    Text,
    respond_with,
    services_only,
)
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import require_idempotency_key
from entrypoints.services import Services

DEFAULT_HOLD_SECONDS = 900
MAX_HOLD_SECONDS = int(MAX_HOLD.total_seconds())


@attrs.frozen(kw_only=True)
class Usage:
    """Credits that a user's doings cost."""

    user_id: str
    credits: Credits
    description: Text | None = None
    metadata: Metadata = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class HoldWanted:
    """Credits to set aside, for so many seconds at most."""

    user_id: str
    credits: Credits
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=MAX_HOLD_SECONDS)] = DEFAULT_HOLD_SECONDS
    description: Text | None = None
    metadata: Metadata = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Capture:
    """How much of the hold is taken; all of it unless it is said."""

    credits: Annotated[int, msgspec.Meta(ge=0, le=MAX_CREDITS)] | None = None


@attrs.frozen(kw_only=True)
class HoldShown:
    """A hold as it stands."""

    id: str
    user_id: str
    status: HoldStatus
    credits: int
    captured: int
    expires_at: datetime
    description: str | None


@post(
    "/usage",
    status_code=200,
    guards=[require_idempotency_key],
    tags=["Spending"],
    security=SERVICES,
    responses=problem_responses(400, 401, 402, 403, 404, 413, 422, 503),
)
async def spend_credits(
    data: JSONBody[Usage],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Response[EntryMade]:
    """Take credits. 402 if there are not enough; 422 if the key names another operation."""
    services_only(caller)
    operation = Spend(
        user_id=parse_user_id(data.user_id),
        credits=data.credits,
        key=idempotency_key,
        description=data.description,
        metadata=data.metadata,
    )
    return await respond_with(services, operation)


@post(
    "/holds",
    guards=[require_idempotency_key],
    tags=["Spending"],
    security=SERVICES,
    responses=problem_responses(400, 401, 402, 403, 404, 413, 422, 503),
)
async def place_hold(
    data: JSONBody[HoldWanted],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Response[HoldMade]:
    """Set credits aside until they are captured, voided, or the time is over. 402 if there are not enough."""
    services_only(caller)
    if RESERVED_NAME in data.metadata:
        detail = f"metadata may not have {RESERVED_NAME}: under this name the entry of a capture tells its hold."
        raise problem(HTTPStatus.BAD_REQUEST, "reserved-name", detail)
    operation = PlaceHold(
        hold_id=HoldId(str(uuid.uuid4())),
        user_id=parse_user_id(data.user_id),
        credits=data.credits,
        key=idempotency_key,
        lasts=timedelta(seconds=data.expires_in),
        description=data.description,
        metadata=data.metadata,
    )
    return await respond_with(services, operation, status=HTTPStatus.CREATED)


@post(
    "/holds/{hold_id:str}/capture",
    status_code=200,
    tags=["Spending"],
    security=SERVICES,
    responses=problem_responses(400, 401, 403, 404, 409, 413, 422, 503),
)
async def capture_hold(
    hold_id: FromPath[str],
    data: JSONBody[Capture],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Response[HoldMade]:
    """Take what was set aside, or a part of it; the rest is free again. 409 if the hold is settled otherwise."""
    services_only(caller)
    return await respond_with(services, CaptureHold(hold_id=_hold_id(hold_id), credits=data.credits))


@post(
    "/holds/{hold_id:str}/void",
    status_code=200,
    tags=["Spending"],
    security=SERVICES,
    responses=problem_responses(400, 401, 403, 404, 409, 503),
)
async def void_hold(
    hold_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Response[HoldMade]:
    """Free what was set aside. 409 if the hold is settled otherwise."""
    services_only(caller)
    return await respond_with(services, VoidHold(hold_id=_hold_id(hold_id)))


@get("/holds/{hold_id:str}", tags=["Spending"], security=SERVICES, responses=problem_responses(400, 401, 403, 404, 503))
async def show_hold(
    hold_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> HoldShown:
    """A hold as it stands."""
    services_only(caller)
    named = _hold_id(hold_id)
    found = await services.wallets.holdings(user_ids=frozenset(), keys=frozenset(), hold_ids=frozenset({named}))
    if named not in found.holds:
        raise problem(HTTPStatus.NOT_FOUND, "unknown-hold", "There is no such hold.")
    return _shown(found.holds[named])


def _hold_id(text: str) -> HoldId:
    """The hold that a path names; a name of none can't be in the ledger."""
    try:
        return HoldId(str(uuid.UUID(text)))
    except ValueError:
        raise problem(HTTPStatus.NOT_FOUND, "unknown-hold", "There is no such hold.") from None


def _shown(hold: Hold) -> HoldShown:
    return HoldShown(
        id=hold.id,
        user_id=hold.user_id,
        status=hold.status,
        credits=hold.credits,
        captured=hold.captured,
        expires_at=hold.expires_at,
        description=hold.description,
    )


spending_handlers = (spend_credits, place_hold, capture_hold, void_hold, show_hold)
