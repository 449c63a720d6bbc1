"""What handlers are given: the services, the caller, and the account that a request is about."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State

from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from entrypoints.auth.authenticator import Caller, Forbidden, SignedInUser
from entrypoints.services import Services

CALLER = "caller"
"""Where the guard keeps the caller, in the request's state."""


def services_of(state: State) -> Services:
    """Return what the running application has opened."""
    opened: Services = state.services
    return opened


def caller_of(request: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Return the caller whom the guard let pass."""
    caller: Caller = request.scope["state"][CALLER]
    return caller


def requested_account(caller: Caller, user_id: str | None) -> UserId:
    """Return whose account a request is about: one's own, or for a service the one it names.

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
