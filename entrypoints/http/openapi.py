"""Describes the routes in OpenAPI: how callers authenticate, and which error responses each route has."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import attrs
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, OpenAPIMediaType, OpenAPIResponse, Operation, Schema, SecurityScheme
from litestar.openapi.spec.enums import OpenAPIType

from domain.credits.holds import HoldStatus

PROBLEM = "application/problem+json"
CSV = "text/csv"

SECURITY_SCHEMES = Components(
    security_schemes={
        "user": SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="A Supabase access token of a signed-in user.",
        ),
        "service": SecurityScheme(type="http", scheme="bearer", description="CREDENCE_SERVICE_KEY."),
        "operator": SecurityScheme(type="http", scheme="bearer", description="CREDENCE_OPERATOR_KEY."),
        "gateway": SecurityScheme(
            type="apiKey",
            security_scheme_in="header",
            name="x-gateway-secret",
            description="CREDENCE_GATEWAY_SECRET: proves that x-user-id and x-user-email come from your gateway.",
        ),
        "gateway_user": SecurityScheme(
            type="apiKey",
            security_scheme_in="header",
            name="x-user-id",
            description="The id of the user on whose behalf the gateway calls.",
        ),
    }
)


@attrs.frozen(kw_only=True)
class WrongField:
    """The problem with one field of a request."""

    message: str
    key: str | None = None
    source: str | None = None


@attrs.frozen(kw_only=True)
class Problem:
    """An error response (RFC 9457). Programs branch on `type`. The fields after `detail` exist for some types only."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    extra: tuple[WrongField, ...] | None = None
    available: int | None = None
    granted: int | None = None
    fields: tuple[str, ...] | None = None
    held: int | None = None
    hold_status: HoldStatus | None = None
    captured: int | None = None
    decline_code: str | None = None


def problem_responses(*statuses: int) -> Mapping[int, ResponseSpec]:
    """Return a route's `responses=`: its error statuses, 500, and 503 for a service that is stopping."""
    return {
        status: ResponseSpec(
            Problem, media_type=PROBLEM, generate_examples=False, description=HTTPStatus(status).phrase
        )
        for status in sorted({*statuses, 500, 503})
    }


@dataclass  # as Litestar's own is
class AlsoAsCsv(Operation):
    """An operation that can also answer as CSV; Litestar describes only one media type of a success."""

    def __post_init__(self) -> None:
        """Add CSV to the described responses."""
        match self.responses:
            case {"200": OpenAPIResponse(content=dict(kinds))}:
                kinds[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
