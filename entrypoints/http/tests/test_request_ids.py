"""Each request can be followed: by its id, in every answer, and by what it leaves in the log."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from features.harness.own_service import Serve, Serving
from features.harness.service import eventually

ORIGIN = "https://app.example.com"
HOLD = "6f1e0a52-0000-4000-8000-00000000000a"
SERVICE = {"Authorization": "Bearer service-key-of-the-edge"}


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    """A service that logs all requests."""
    with serve(CREDENCE_REQUEST_LOG="all", CREDENCE_ALLOWED_ORIGINS=ORIGIN) as serving:
        yield serving


def logged(service: Serving, request_id: str) -> list[dict[str, Any]]:
    """The lines of one request."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line for line in lines if line.get("request_id") == request_id]


REQUESTS = [
    ("GET", "/plans", {}, 200, "/plans"),
    ("GET", "/metrics", {}, 200, "/metrics"),
    ("GET", "/quota", {}, 401, "/quota"),
    ("GET", f"/holds/{HOLD}", SERVICE, 404, "/holds/{hold_id}"),
    ("POST", "/usage", SERVICE, 400, "/usage"),
    ("POST", "/webhooks/stripe", {}, 400, "/webhooks/stripe"),
    ("GET", "/nowhere/ada@example.com", {}, 404, None),
    ("PUT", "/plans", {}, 405, None),
    ("OPTIONS", "/quota", {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}, 204, None),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "route"), REQUESTS)
def test_a_request_is_followed_by_its_callers_id(
    service: Serving, method: str, path: str, headers: dict[str, str], status: int, route: str | None
) -> None:
    """It comes back with every answer, stands in every problem, and on the one line of the request in the log."""
    request_id = f"req_{uuid.uuid4()}"
    answer = service.http.request(method, path, headers={**headers, "X-Request-Id": request_id})
    assert (status, [request_id]) == (answer.status_code, answer.headers.get_list("x-request-id"))
    if status >= 400:
        assert request_id == answer.json()["request_id"]
    assert eventually(lambda: [one.get("status") for one in logged(service, request_id)][-1:], [status]) == [status]
    (line,) = (line for line in logged(service, request_id) if line["logger"] == "credence.requests")
    assert (method, status, "info") == (line["method"], line["status"], line["level"])
    assert route == line["route"]
    assert line["duration_ms"] > 0
    known = {"time", "level", "logger", "message", "request_id", "method", "route", "status", "duration_ms"}
    assert known == line.keys()
    assert [] == [secret for secret in ("service-key", "ada@example.com", HOLD) if secret in json.dumps(line)]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "né", "a,b", '"', None], ids=ascii)
def test_an_id_that_a_log_cannot_carry_is_replaced(service: Serving, given: str | None) -> None:
    """So is none: each answer has one, and no two have the same."""
    headers = {} if given is None else {"X-Request-Id": given.encode()}
    ids = [service.http.get("/quota", headers=headers).headers["x-request-id"] for _ in range(2)]
    assert [True, True] == [re.fullmatch("[0-9a-f]{32}", one) is not None for one in ids]
    assert ids[0] != ids[1]


def test_what_else_is_logged_within_a_request_has_its_id(service: Serving) -> None:
    """A refused webhook says why on a line of its own."""
    service.http.post("/webhooks/stripe", content=b"{}", headers={"X-Request-Id": "evt-1"})
    expected = ["Refused a webhook", "POST /webhooks/stripe 400"]
    assert expected == eventually(lambda: [line["message"] for line in logged(service, "evt-1")], expected)


@pytest.mark.parametrize(("wanted", "expected"), [(None, [401]), ("errors", [401]), ("off", []), ("all", [200, 401])])
def test_an_operator_chooses_which_requests_are_logged(serve: Serve, wanted: str | None, expected: list[int]) -> None:
    """By default those that were refused or failed."""
    with serve(**({} if wanted is None else {"CREDENCE_REQUEST_LOG": wanted})) as service:
        for path in ("/plans", "/quota"):
            service.http.get(path, headers={"X-Request-Id": "mine"})
        assert expected == eventually(lambda: [line["status"] for line in logged(service, "mine")], expected)
