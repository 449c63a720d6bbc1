"""A plain quota read, which goes beside Litestar, is answered, counted and logged as one that goes through it."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoints.http.routes.quota import _PLAIN
from features.harness.own_service import Serve, Serving
from features.harness.service import eventually
from simulators.stripe.signatures import mint_token

ORIGIN = "https://app.example.com"
NOBODY = "6f1e0a52-0000-4000-8000-00000000000a"
SECRET = "a-secret-of-forty-characters-for-tokens!"
FAR_FUTURE = 4_102_444_800
SERVICE = {"Authorization": "Bearer service-key-of-the-edge"}
OPERATOR = {"Authorization": "Bearer operator-key-of-the-edge"}
SETTINGS = {
    "CREDENCE_REQUEST_LOG": "all",
    "CREDENCE_ALLOWED_ORIGINS": ORIGIN,
    "CREDENCE_OPERATOR_KEY": "operator-key-of-the-edge",
    "SUPABASE_JWT_SECRET": SECRET,
}


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    """A service that logs all requests."""
    with serve(**SETTINGS) as serving:
        yield serving


@pytest.fixture(scope="module")
def known(service: Serving) -> str:
    """A user whose quota the cache has."""
    made = service.http.post("/ops/synthetic-users", json={"tag": "short-way", "count": 1}, headers=OPERATOR)
    user_id: str = made.json()["users"][0]["user_id"]
    assert 200 == service.http.get(f"/quota?user_id={user_id}", headers=SERVICE).status_code
    return user_id


def token(user_id: str, **claims: object) -> dict[str, str]:
    usual = {"role": "authenticated", "aud": "authenticated", "sub": user_id, "exp": FAR_FUTURE}
    return {"Authorization": f"Bearer {mint_token(SECRET, {**usual, **claims})}"}


CASES: dict[str, tuple[int, str, dict[str, str]]] = {
    "a service": (200, "user_id=KNOWN", SERVICE),
    "a page of another origin": (200, "user_id=KNOWN", {**SERVICE, "Origin": ORIGIN}),
    "an operator": (200, "user_id=KNOWN", OPERATOR),
    "a user": (200, "", {"as": "KNOWN"}),
    "a user who names themselves": (200, "user_id=KNOWN", {"as": "KNOWN"}),
    "a user in capital letters": (200, "user_id=KNOWN", SERVICE),
    "a user who names another": (403, f"user_id={NOBODY}", {"as": "KNOWN"}),
    "a user whose header contradicts": (403, "", {"as": "KNOWN", "X-User-Id": NOBODY}),
    "a user whose token is too old": (401, "", {"as": "KNOWN", "exp": "1"}),
    "a malformed email": (400, "user_id=KNOWN", {**SERVICE, "X-User-Email": "a" * 321}),
    "nobody": (401, "user_id=KNOWN", {}),
    "a wrong key": (401, "user_id=KNOWN", {"Authorization": "Bearer wrong"}),
    "a service that names nobody": (400, "", SERVICE),
    "no UUID": (400, f"user_id={'-' * 36}", SERVICE),
    "an unknown user": (404, f"user_id={NOBODY}", SERVICE),
}


def requests(service: Serving, status: int) -> float:
    """How many were counted, and timed, with that status."""
    lines = service.http.get("/metrics").text.splitlines()
    named = [line for line in lines if 'path="/quota"' in line and f'status_code="{status}"' in line]
    kinds = ("credence_requests_total{", "credence_request_duration_seconds_count{")
    return sum(float(line.rsplit(" ", 1)[1]) for line in named if line.startswith(kinds))


def ask(service: Serving, query: str, headers: dict[str, str], status: int) -> dict[str, Any]:
    """Ask, and return all that is left of it but times; "counted" are those with the status, and their times."""
    request_id, counted = f"req_{uuid.uuid4()}", requests(service, status)
    answer = service.http.get(f"/quota?{query}", headers={**headers, "X-Request-Id": request_id})

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in service.log.read_text().splitlines() if request_id in line]

    assert eventually(lambda: len(lines()) > 0, True) is True
    left = {
        "status": answer.status_code,
        "headers": sorted(item for item in answer.headers.multi_items() if item[0] != "date"),
        "body": answer.json(),
        "log": [{name: one for name, one in line.items() if name not in {"time", "duration_ms"}} for line in lines()],
        "counted": requests(service, status) - counted,
    }
    named: dict[str, Any] = json.loads(json.dumps(left).replace(request_id, "ID"))
    return named


@pytest.mark.parametrize("case", CASES)
def test_both_ways_agree(service: Serving, known: str, case: str) -> None:
    """In all that a caller and an operator see; the query that goes through Litestar asks for the same."""
    status, query, headers = CASES[case]
    query = query.replace("KNOWN", known.upper() if "capital" in case else known)
    given = {name: value for name, value in headers.items() if name not in {"as", "exp"}}
    if "as" in headers:
        given |= token(known, exp=int(headers.get("exp", FAR_FUTURE)))
    queries = (query, f"{query}&")
    assert [True, False] == [_PLAIN.fullmatch(one.encode()) is not None for one in queries]
    short, usual = (ask(service, one, given, status) for one in queries)
    assert usual == short
    assert (status, 2) == (short["status"], short["counted"])
    assert ["x-request-id", "ID"] in short["headers"]


def test_methods_are_the_route_s(service: Serving, known: str) -> None:
    """What is not a GET is refused or described, whatever its query."""
    answers = [
        service.http.request(method, f"/quota?user_id={known}", headers=SERVICE)
        for method in ("HEAD", "OPTIONS", "POST")
    ]
    assert [405, 204, 405] == [answer.status_code for answer in answers]
    assert ["GET", "OPTIONS"] == sorted(answers[1].headers["allow"].split(", "))
