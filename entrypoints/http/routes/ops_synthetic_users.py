"""`/ops/synthetic-users`: the customers of a rehearsal, made and removed by its tag; a live deployment refuses."""

import attrs
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, SkipValidation

from domain.upkeep.synthetic_users import Rehearsal, Stuck, SyntheticUser
from entrypoints.http.openapi import refusals
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class RehearsalWanted:
    """A rehearsal's tag, and how many users it shall have."""

    tag: str
    count: int


@attrs.frozen(kw_only=True)
class RehearsalUsers:
    """The users of a rehearsal."""

    tag: str
    users: tuple[SyntheticUser, ...]


@attrs.frozen(kw_only=True)
class RehearsalEnded:
    """How many users are removed, and who could not be."""

    tag: str
    removed: int
    kept: tuple[Stuck, ...]


@attrs.frozen(kw_only=True)
class Rehearsals:
    """The deployment's mode, and the rehearsals that have users now."""

    mode: str
    rehearsals: tuple[Rehearsal, ...]


@post("/ops/synthetic-users", tags=["Operators"], responses=refusals(400, 401, 403, 409, 413, 503))
async def begin_rehearsal(
    data: JSONBody[RehearsalWanted], services: NamedDependency[SkipValidation[Services]]
) -> RehearsalUsers:
    """Let a rehearsal have so many users; asking again gives the same ones. 403 where real money moves."""
    users = await services.rehearsals.begin(data.tag, data.count)
    return RehearsalUsers(tag=data.tag, users=users)


@get("/ops/synthetic-users", tags=["Operators"], responses=refusals(400, 401, 403, 503))
async def list_rehearsals(services: NamedDependency[SkipValidation[Services]]) -> Rehearsals:
    """The rehearsals that have users now. 403 where real money moves."""
    return Rehearsals(mode="test", rehearsals=await services.rehearsals.standing())


@delete(
    "/ops/synthetic-users/{tag:str}",
    status_code=200,
    tags=["Operators"],
    responses=refusals(400, 401, 403, 503),
)
async def end_rehearsal(tag: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> RehearsalEnded:
    """Remove the rehearsal's users and what waits for them; their ledger entries stay. May be repeated."""
    removal = await services.rehearsals.end(tag)
    return RehearsalEnded(tag=tag, removed=len(removal.removed), kept=removal.kept)


rehearsal_handlers: tuple[HTTPRouteHandler, ...] = (begin_rehearsal, list_rehearsals, end_rehearsal)
