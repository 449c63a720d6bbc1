"""`/healthz` (the process is alive) and `/readyz` (it can record payments)."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from entrypoints.http.openapi import problem_responses
from entrypoints.services import Services

_NOT_READY = ResponseSpec(dict[str, str], generate_examples=False, description="Not ready")


@get("/healthz", tags=["Machines"], responses=problem_responses())
async def is_alive() -> dict[str, str]:
    """Return 200 while the process is alive."""
    return {"status": "ok"}


@get("/readyz", tags=["Machines"], responses={**problem_responses(), 503: _NOT_READY})
async def is_ready(services: NamedDependency[SkipValidation[Services]]) -> Response[dict[str, str]]:
    """Return whether payments can be recorded: 503 while the ledger accepts no writes. The cache only adds speed.

    Where access tokens are checked by published keys, `access_token_keys` says whether they could be fetched. Without
    them no user can sign in, but payments are recorded and backends can spend.
    """
    found, jwks = await services.monitor.readiness(), services.authenticator.jwks
    fields = {
        "status": "ready" if found.is_ready else "not ready",
        "ledger": found.ledger,
        "cache": "ok" if found.cache else "unavailable",
    }
    if jwks is not None:
        fields["access_token_keys"] = "ok" if await jwks.trouble() is None else "unavailable"
    return Response(fields, status_code=200 if found.is_ready else 503)
