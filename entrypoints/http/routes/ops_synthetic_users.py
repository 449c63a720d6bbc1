"""`/ops/synthetic-users`: groups of synthetic users for load tests, by tag; refused on a live deployment."""

import attrs
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.upkeep.synthetic_users import NotRemoved, SyntheticUser, SyntheticUserGroup
from entrypoints.http.openapi import problem_responses
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class GroupWanted:
    """The tag of a group, and how many users it should have."""

    tag: str
    count: int


@attrs.frozen(kw_only=True)
class GroupUsers:
    """The users of a group."""

    tag: str
    users: tuple[SyntheticUser, ...]


@attrs.frozen(kw_only=True)
class GroupRemoved:
    """The number of users removed, and those who could not be."""

    tag: str
    removed: int
    kept: tuple[NotRemoved, ...]


@attrs.frozen(kw_only=True)
class SyntheticUserGroups:
    """The deployment's mode, and the groups that have users now."""

    mode: str
    groups: tuple[SyntheticUserGroup, ...]


@post("/ops/synthetic-users", tags=["Operators"], responses=problem_responses(400, 401, 403, 408, 409, 413, 503))
async def add_synthetic_users(
    data: JSONBody[GroupWanted], services: NamedDependency[SkipValidation[Services]]
) -> GroupUsers:
    """Create a group of synthetic users; repeating the request returns the same users. 403 on a live deployment."""
    users = await services.synthetic_users.begin(data.tag, data.count)
    return GroupUsers(tag=data.tag, users=users)


@get("/ops/synthetic-users", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def list_synthetic_users(services: NamedDependency[SkipValidation[Services]]) -> SyntheticUserGroups:
    """List the groups of synthetic users. 403 on a live deployment."""
    return SyntheticUserGroups(mode="test", groups=await services.synthetic_users.list())


@delete(
    "/ops/synthetic-users/{tag:str}",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 503),
)
async def remove_synthetic_users(
    tag: FromPath[str], services: NamedDependency[SkipValidation[Services]]
) -> GroupRemoved:
    """Remove a group's users and their undelivered messages. Their ledger entries stay. Safe to repeat."""
    removal = await services.synthetic_users.end(tag)
    return GroupRemoved(tag=tag, removed=len(removal.removed), kept=removal.kept)


synthetic_user_handlers: tuple[HTTPRouteHandler, ...] = (
    add_synthetic_users,
    list_synthetic_users,
    remove_synthetic_users,
)
