"""`PUT /accounts/{id}/low-balance`: the threshold below which an account's balance is low."""

from typing import Annotated

import attrs
import msgspec
from litestar import put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.values.accounts import parse_user_id
from domain.values.plans import MAX_CREDITS
from entrypoints.http.openapi import problem_responses
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class ThresholdWanted:
    """The account's own threshold; null uses the deployment's."""

    threshold: Annotated[int, msgspec.Meta(ge=0, le=MAX_CREDITS)] | None


@attrs.frozen(kw_only=True)
class ThresholdShown:
    """The account's own threshold, and the one in force; null for none."""

    user_id: str
    threshold: int | None
    in_force: int | None


@put(
    "/accounts/{user_id:str}/low-balance",
    tags=["Account"],
    responses=problem_responses(400, 401, 403, 404, 408, 413, 429, 503),
)
async def set_low_balance(
    user_id: FromPath[str],
    data: JSONBody[ThresholdWanted],
    services: NamedDependency[SkipValidation[Services]],
) -> ThresholdShown:
    """Set the threshold of an account. A notice is sent whenever its available credits fall below it."""
    watch = await services.watch.set_threshold(parse_user_id(user_id), data.threshold)
    return ThresholdShown(user_id=watch.user_id, threshold=watch.own, in_force=watch.in_force)
