"""`/healthz` (the process lives) and `/readyz` (it can do its work)."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from domain.ports import CacheUnavailable, LedgerUnavailable
from domain.values.accounts import UserId
from entrypoints.http.openapi import problem_responses
from entrypoints.services import Services

_NOBODY = UserId("00000000-0000-0000-0000-000000000000")
_NOT_READY = ResponseSpec(dict[str, str], generate_examples=False, description="Not ready")


@get("/healthz", tags=["Machines"], responses=problem_responses())
async def is_alive() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@get("/readyz", tags=["Machines"], responses={**problem_responses(), 503: _NOT_READY})
async def is_ready(services: NamedDependency[SkipValidation[Services]]) -> Response[dict[str, str]]:
    """Whether payments can be recorded: 503 without the ledger; without the cache it is slower, but ready."""
    ledger, cache = "ok", "ok"
    try:
        await services.ledger.read(event_id=None, user_id=None, links=frozenset())
    except LedgerUnavailable:
        ledger = "unavailable"
    try:
        await services.cache.find(_NOBODY)
    except CacheUnavailable:
        cache = "unavailable"
    ready = ledger == "ok"
    return Response(
        {"status": "ready" if ready else "not ready", "ledger": ledger, "cache": cache},
        status_code=200 if ready else 503,
    )
