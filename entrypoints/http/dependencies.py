"""Who calls a route, and for whom."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from entrypoints.auth.authenticator import Caller, Forbidden, SignedInUser
from entrypoints.services import Services


def services_of(state: State) -> Services:
    """What the running application has opened."""
    opened: Services = state.services
    return opened


async def caller_of(
    request: ASGIConnection[Any, Any, Any, Any], services: NamedDependency[SkipValidation[Services]]
) -> Caller:
    """The caller, by the request's headers."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return await services.authenticator.authenticate(headers)


def requested_account(caller: Caller, user_id: str | None) -> UserId:
    """Whose account a request is about: one's own, or for a service the one it names.

    :raises Forbidden: if a user asks for another's.
    :raises InvalidUserId: if the name is no uuid, or a service names nobody.
    """
    named = parse_user_id(user_id) if user_id is not None else None
    if isinstance(caller, SignedInUser):
        if named is not None and named != caller.user_id:
            raise Forbidden("This account is another user's.")
        return caller.user_id
    if named is None:
        raise InvalidUserId("")
    return named


def require_user(caller: Caller) -> SignedInUser:
    """The caller as the user that a checkout needs.

    :raises Forbidden: if the caller is a service.
    """
    if not isinstance(caller, SignedInUser):
        raise Forbidden("Only a signed-in user can do this.")
    return caller
