"""Who may call a route is said in one table, which is whole."""

import contextlib
from collections.abc import Iterator

import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute

from domain.values.accounts import UserId
from entrypoints.auth.authenticator import Caller, Forbidden, Operator, Service, SignedInUser
from entrypoints.auth.roles import ANYONE, EVERY_CALLER, OPERATORS, ROUTES, SERVICES, USERS, Access, check_access
from entrypoints.http.app import create_app
from entrypoints.http.guarding import GuardedRoutes, RouteWithoutGuard
from entrypoints.settings.reader import read_settings

USER = SignedInUser(UserId("00000000-0000-0000-0000-00000000000a"), None)


def names_of(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        assert isinstance(route, HTTPRoute)
        yield from (f"{method} {route.path_format}" for method in route.methods if method != "OPTIONS")


def test_the_table_has_the_routes_of_the_application_and_no_others() -> None:
    """So it can be read instead of the routes."""
    settings = read_settings({"STRIPE_SECRET_KEY": "sk_test_of_nobody", "STRIPE_WEBHOOK_SECRET": "whsec_1"})

    assert ROUTES.keys() == set(names_of(create_app(contextlib.nullcontext(), settings)))


def test_a_route_without_a_guard_is_named() -> None:
    """The application is not made with it."""

    @get("/secrets", sync_to_thread=False)
    def secrets() -> str:
        return "everything"

    with pytest.raises(RouteWithoutGuard, match="GET /secrets"):
        Litestar([secrets], plugins=[GuardedRoutes()], openapi_config=None)


def test_operators_alone_call_what_is_below_ops() -> None:
    """But for the page, which has nothing in it."""
    below = {access for name, access in ROUTES.items() if " /ops/" in name}
    assert {OPERATORS} == below


def test_what_anyone_may_call_is_nobodys_account() -> None:
    """A new one has to be added here, and looked at."""
    anyone = {name for name, access in ROUTES.items() if access == ANYONE and " /schema" not in name}
    pages = {"GET /", "GET /return", "GET /ops", "GET /pages/{name}"}
    assert {"POST /webhooks/stripe", "GET /plans", "GET /healthz", "GET /readyz", "GET /metrics", *pages} == anyone


@pytest.mark.parametrize("access", sorted({access for access in ROUTES.values() if access != ANYONE}, key=sorted))
@pytest.mark.parametrize("caller", [USER, Service(), Operator()], ids=["user", "service", "operator"])
def test_a_caller_passes_by_a_role_of_the_table(caller: Caller, access: Access) -> None:
    """And is told who may where the role is another; each refusal has its words."""
    role = {USER: USERS, Service(): SERVICES, Operator(): OPERATORS}[caller]
    if role <= access:
        check_access(caller, access)
    else:
        with pytest.raises(Forbidden, match=r"^Only an? .* can do this"):
            check_access(caller, access)


def test_every_caller_is_every_role() -> None:
    """A role that is added has to be thought of."""
    check_access(USER, EVERY_CALLER)
    assert USERS | SERVICES | OPERATORS == EVERY_CALLER
