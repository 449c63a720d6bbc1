#!/usr/bin/env bash
# litestar 2.25.0: a guard is not given the route handler, but a shallow copy of it, made anew for each guard of each
# request. An attribute that a guard sets on the handler is gone with the copy: neither the next guard nor the next request
# sees it. What it puts into the handler's `opt` is shared by all copies, and stays for every later request of every user.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0 httpx==0.28.1
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from typing import Any

from litestar import get
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.testing import create_test_client

handlers: list[BaseRouteHandler] = []
found: list[tuple[bool, bool]] = []


def first(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    handlers.append(handler)
    found.append((hasattr(handler, "checked_for"), "checked_for" in handler.opt))
    handler.checked_for = handler.opt["checked_for"] = connection.headers["x-user"]


def second(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    handlers.append(handler)
    found.append((hasattr(handler, "checked_for"), "checked_for" in handler.opt))


@get("/", guards=[first, second], sync_to_thread=False)
def index() -> None:
    return None


with create_test_client([index]) as client:
    for user in ("ada", "bob"):
        assert client.get("/", headers={"x-user": user}).status_code == 200

print("litestar", version("litestar"), "has made", len({id(one) for one in handlers}), "handlers for 2 requests of 2 guards")
print("seen by each guard, as (attribute, opt):", found)
assert len({id(one) for one in handlers}) == 4, "guards share a handler now"
assert found == [(False, False), (False, True), (False, True), (False, True)], found
PYTHON
