"""Defines who may call which route, in one table that the HTTP application enforces and describes."""

from collections.abc import Mapping
from enum import StrEnum

from entrypoints.auth.authenticator import Caller, Forbidden, Operator, Service, SignedInUser


class Role(StrEnum):
    """The roles that a caller can have."""

    USER = "user"
    SERVICE = "service"
    OPERATOR = "operator"


Access = frozenset[Role]

ANYONE: Access = frozenset()
"""Open to everyone. Each such route has its reason beside it."""
USERS: Access = frozenset({Role.USER})
SERVICES: Access = frozenset({Role.SERVICE})
BUYERS: Access = USERS | SERVICES
"""Users buy for themselves; services name a user."""
OPERATORS: Access = frozenset({Role.OPERATOR})
EVERY_CALLER: Access = USERS | SERVICES | OPERATORS
"""Users see only their own account; services and operators name one."""

ROUTES: Mapping[str, Access] = {
    "POST /checkout/sessions": USERS,
    "GET /checkout/sessions/{session_id}": USERS,
    "GET /subscription": BUYERS,
    "POST /subscription/change": BUYERS,
    "POST /subscription/change/preview": BUYERS,
    "POST /subscription/cancel": BUYERS,
    "POST /subscription/cancel/preview": BUYERS,
    "POST /portal": USERS,
    "GET /quota": EVERY_CALLER,
    "GET /transactions": EVERY_CALLER,
    "GET /accounts/{user_id}/explanation": EVERY_CALLER,
    "PUT /accounts/{user_id}/low-balance": SERVICES | OPERATORS,
    "POST /payments": SERVICES,
    "POST /usage": SERVICES,
    "POST /holds": SERVICES,
    "GET /holds/{hold_id}": SERVICES,
    "POST /holds/{hold_id}/capture": SERVICES,
    "POST /holds/{hold_id}/void": SERVICES,
    "GET /ops/events": OPERATORS,
    "GET /ops/events/{event_id}": OPERATORS,
    "POST /ops/events/{event_id}/claim": OPERATORS,
    "POST /ops/events/{event_id}/replay": OPERATORS,
    "GET /ops/parked": OPERATORS,
    "POST /ops/parked/retry": OPERATORS,
    "POST /ops/parked/{event_id}/claim": OPERATORS,
    "GET /ops/outbox/failures": OPERATORS,
    "POST /ops/outbox/{message_id}/retry": OPERATORS,
    "GET /ops/backlog": OPERATORS,
    "GET /ops/consistency": OPERATORS,
    "POST /ops/accounts/{user_id}/sync": OPERATORS,
    "POST /ops/accounts/{user_id}/grants": OPERATORS,
    "POST /ops/accounts/{user_id}/adjustments": OPERATORS,
    "GET /ops/synthetic-users": OPERATORS,
    "POST /ops/synthetic-users": OPERATORS,
    "DELETE /ops/synthetic-users/{tag}": OPERATORS,
    # The body's own signature says who sent it.
    "POST /webhooks/stripe": ANYONE,
    # The catalogue is what a visitor sees before signing up.
    "GET /plans": ANYONE,
    # Probes and scrapers have no credentials, and learn nothing of any account.
    "GET /healthz": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": ANYONE,
    # Static files; their scripts call the routes above with the visitor's own credentials.
    "GET /": ANYONE,
    "GET /return": ANYONE,
    "GET /ops": ANYONE,
    "GET /pages/{name}": ANYONE,
    # The description of all this, in each of its forms.
    "GET /schema": ANYONE,
    "GET /schema/{path}": ANYONE,
    "GET /schema/openapi.json": ANYONE,
    "GET /schema/openapi.yaml": ANYONE,
    "GET /schema/openapi.yml": ANYONE,
    "GET /schema/elements": ANYONE,
    "GET /schema/oauth2-redirect.html": ANYONE,
    "GET /schema/rapidoc": ANYONE,
    "GET /schema/redoc": ANYONE,
    "GET /schema/swagger": ANYONE,
}
"""By method and path; a route that is not here is refused when the application is made."""

_REFUSALS: Mapping[Access, str] = {
    USERS: "Only a signed-in user can do this.",
    SERVICES: "Only a service can do this: send CREDENCE_SERVICE_KEY as a Bearer token.",
    OPERATORS: "Only an operator can do this: send CREDENCE_OPERATOR_KEY as a Bearer token.",
    BUYERS: "Only a signed-in user or a service can do this.",
    SERVICES | OPERATORS: "Only a service or an operator can do this.",
}


def role_of(caller: Caller) -> Role:
    """Return a caller's role."""
    match caller:
        case SignedInUser():
            return Role.USER
        case Service():
            return Role.SERVICE
        case Operator():
            return Role.OPERATOR


def check_access(caller: Caller, access: Access) -> None:
    """Raise unless the caller has one of the roles.

    :raises Forbidden: if the caller has none of them.
    """
    if role_of(caller) not in access:
        raise Forbidden(_REFUSALS[access])
