"""Enforces the table of who may call a route, and describes it in OpenAPI."""

from collections.abc import Mapping
from typing import Any

import attrs
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import SecurityRequirement
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from entrypoints.auth.authenticator import CREDENTIALS, Caller, Service
from entrypoints.auth.roles import ANYONE, ROUTES, Access, Role, check_access
from entrypoints.http.dependencies import CALLER, services_of
from entrypoints.http.request_bodies import check_idempotency_key
from entrypoints.services import Services

REFUSAL = "refusal"
"""The key under which a request's state has the error that it was already refused by, if it was."""

_READ = {name.encode(): name for name in CREDENTIALS}

_SHOWN_BY: Mapping[Role, tuple[SecurityRequirement, ...]] = {
    Role.USER: ({"user": []}, {"gateway": [], "gateway_user": []}),
    Role.SERVICE: ({"service": []},),
    Role.OPERATOR: ({"operator": []},),
}
"""How each role authenticates, by the names of the OpenAPI security schemes."""


@attrs.frozen
class RouteWithoutGuard(Exception):
    """A route that is missing from the table."""

    name: str


async def guard(request: Request[Any, Any, Any]) -> None:
    """Admit only callers whose role the table names for this route, and store the caller for the handler.

    This is Litestar's `before_request` and not one of its guards, since Litestar copies the handler for each guard.

    :raises Unauthenticated: if no header identifies the caller.
    :raises Forbidden: if the caller may not call this route.
    :raises RateExceeded: if a service calls more often than it may.
    """
    scope = request.scope
    if refusal := scope["state"].get(REFUSAL):
        raise refusal
    caller = await admit(scope, services_of(request.app.state))
    if caller:
        scope["state"][CALLER] = caller
    check_idempotency_key(request)


async def admit(scope: Any, services: Services) -> Caller | None:
    """Return the caller, who may call this route; None where everybody may. The request's budget for the cache starts.

    :raises Unauthenticated: if no header identifies the caller.
    :raises Forbidden: if the caller may not call this route.
    :raises RateExceeded: if a service calls more often than it may.
    """
    access = _access(scope["method"], scope["path_template"])
    services.begin_request()
    if not access:
        return None
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        if name := _READ.get(raw_name):
            value = raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    caller = await services.authenticator.authenticate(headers)
    check_access(caller, access)
    if isinstance(caller, Service):
        await services.limits.service_requests.admit(caller.key_digest)
    return caller


class GuardedRoutes(ReceiveRoutePlugin):
    """Checks that each route is in the table, and describes in OpenAPI who may call it."""

    def receive_route(self, route: BaseRoute) -> None:
        """Receive a route that is being registered.

        :raises RouteWithoutGuard: if it is missing from the table.
        """
        if not isinstance(route, HTTPRoute):
            raise RouteWithoutGuard(route.path_format)
        for handler in route.route_handlers:
            for method in handler.http_methods:
                _describe(handler, _access(method, route.path_format))


def _access(method: str, path: str) -> Access:
    # Litestar adds OPTIONS to every route; it only lists the methods.
    if method == "OPTIONS":
        return ANYONE
    try:
        return ROUTES[f"{method} {path}"]
    except KeyError:
        raise RouteWithoutGuard(f"{method} {path}") from None


def _describe(handler: HTTPRouteHandler, access: Access) -> None:
    if access:
        handler.security = [way for role in Role if role in access for way in _SHOWN_BY[role]]
