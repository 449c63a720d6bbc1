"""The handlers' dependencies: the services, the caller, and the account that a request is about."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State

from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from entrypoints.auth.authenticator import Caller, Forbidden, SignedInUser
from entrypoints.services import Services

CALLER = "caller"
"""The key under which the guard stores the caller in the request's state."""


def services_of(state: State) -> Services:
    """Return the services that the running application opened."""
    opened: Services = state.services
    return opened


def caller_of(request: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Return the caller whom the guard admitted."""
    caller: Caller = request.scope["state"][CALLER]
    return caller


def requested_account(caller: Caller, user_id: str | None) -> UserId:
    """Return the user whose account a request is about: the caller's own, or for a service the one that it names.

    :raises Forbidden: if a user names another user.
    :raises InvalidUserId: if the id is not a UUID, or a service names none.
    """
    named = parse_user_id(user_id) if user_id is not None else None
    if isinstance(caller, SignedInUser):
        if named is not None and named != caller.user_id:
            raise Forbidden("This account belongs to another user.")
        return caller.user_id
    if named is None:
        raise InvalidUserId("")
    return named
