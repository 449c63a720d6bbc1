"""`/holds`: a backend reserves credits before the cost is known, then captures or releases them."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import attrs
import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.credits.holds import HoldId, HoldStatus
from domain.decisions.operations import MAX_HOLD, RESERVED_NAME, CaptureHold, PlaceHold, VoidHold
from domain.usecases.read_hold import UnknownHold
from domain.values.accounts import parse_user_id
from domain.values.plans import MAX_CREDITS
from entrypoints.http.openapi import problem_responses
from entrypoints.http.operation_answers import Credits, HoldMade, IdempotencyKey, Metadata, Text, respond_with
from entrypoints.http.problems import problem
from entrypoints.http.request_bodies import KEY_WANTED
from entrypoints.presenting import present
from entrypoints.services import Services

DEFAULT_HOLD_SECONDS = 900
MAX_HOLD_SECONDS = int(MAX_HOLD.total_seconds())


@attrs.frozen(kw_only=True)
class HoldWanted:
    """The credits to reserve, and for how many seconds at most."""

    user_id: str
    credits: Credits
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=MAX_HOLD_SECONDS)] = DEFAULT_HOLD_SECONDS
    description: Text | None = None
    metadata: Metadata = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Capture:
    """The credits to capture; all of the hold's if omitted."""

    credits: Annotated[int, msgspec.Meta(ge=0, le=MAX_CREDITS)] | None = None


@attrs.frozen(kw_only=True)
class HoldShown:
    """A hold as it is now."""

    id: str
    user_id: str
    status: HoldStatus
    credits: int
    captured: int
    expires_at: datetime
    description: str | None


@post(
    "/holds",
    opt={KEY_WANTED: True},
    tags=["Spending"],
    responses=problem_responses(400, 401, 402, 403, 404, 408, 413, 422, 429, 503),
)
async def place_hold(
    data: JSONBody[HoldWanted],
    idempotency_key: IdempotencyKey,
    services: NamedDependency[SkipValidation[Services]],
) -> Response[HoldMade]:
    """Reserve credits until they are captured, voided or the hold expires. 402 if there are not enough."""
    _check_names(data.metadata)
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
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def capture_hold(
    hold_id: FromPath[str],
    data: JSONBody[Capture],
    services: NamedDependency[SkipValidation[Services]],
) -> Response[HoldMade]:
    """Capture a hold or a part of it; the rest is released. 409 if it was voided or captured with another amount."""
    return await respond_with(services, CaptureHold(hold_id=_hold_id(hold_id), credits=data.credits))


@post(
    "/holds/{hold_id:str}/void",
    status_code=200,
    tags=["Spending"],
    responses=problem_responses(400, 401, 403, 404, 409, 429, 503),
)
async def void_hold(
    hold_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
) -> Response[HoldMade]:
    """Release a hold. 409 if it was already captured."""
    return await respond_with(services, VoidHold(hold_id=_hold_id(hold_id)))


@get("/holds/{hold_id:str}", tags=["Spending"], responses=problem_responses(400, 401, 403, 404, 429, 503))
async def show_hold(
    hold_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
) -> HoldShown:
    """Return a hold as it is now."""
    return present(HoldShown, await services.holds.hold(_hold_id(hold_id)))


def _check_names(metadata: Mapping[str, str]) -> None:
    if RESERVED_NAME in metadata:
        detail = f"metadata may not have {RESERVED_NAME}: the capture's entry stores the hold's id under this name."
        raise problem(HTTPStatus.BAD_REQUEST, "reserved-name", detail)


def _hold_id(text: str) -> HoldId:
    """Return the hold's id from the path.

    :raises UnknownHold: if it is malformed: the ledger cannot contain such an id.
    """
    try:
        return HoldId(str(uuid.UUID(text)))
    except ValueError:
        raise UnknownHold(text[:64]) from None


hold_handlers = (place_hold, capture_hold, void_hold, show_hold)
