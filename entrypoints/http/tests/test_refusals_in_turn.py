"""What becomes of whole requests before bytes that are refused, on one connection to a service that is a process."""

import asyncio
import json
import socket
import uuid
from collections.abc import Callable, Iterator

import pytest

from entrypoints.http.protocol import MAX_HEAD_BYTES
from features.harness.own_service import Serve, Serving
from features.real_parts import sign_up

SECONDS = 30
"""Much longer than an answer takes."""
SERVICE_KEY, OPERATOR_KEY = "service-key-of-the-turns", "operator-key-of-the-turns"
CREDITS = 100
NO_HTTP = b"hello\r\n\r\n"
LONG_HEAD = b"GET /plans HTTP/1.1\r\nX: ".ljust(MAX_HEAD_BYTES + 6000, b"x")
NO_BODY = b"POST /usage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def service(serve: Serve, database: str) -> Iterator[Serving]:
    keys = {"CREDENCE_SERVICE_KEY": SERVICE_KEY, "CREDENCE_OPERATOR_KEY": OPERATOR_KEY}
    with serve(SUPABASE_DB_URL=database, **keys) as serving:
        yield serving


@pytest.fixture
def user_id(service: Serving, database: str) -> str:
    """A user with credits."""
    created_id = asyncio.run(sign_up(database))
    grant = {"kind": "goodwill", "credits": CREDITS, "reason": "welcome", "operator": "Grace"}
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}", "Idempotency-Key": uuid.uuid4().hex}
    service.http.post(f"/ops/accounts/{created_id}/grants", json=grant, headers=headers).raise_for_status()
    return created_id


def spend(user_id: str) -> bytes:
    """The bytes of a request that spends one credit."""
    body = json.dumps({"user_id": user_id, "credits": 1}).encode()
    head = (
        f"POST /usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE_KEY}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {uuid.uuid4().hex}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answers_to(service: Serving, said: bytes) -> list[tuple[int, dict[str, object]]]:
    """The status and the whole body of each answer, in order, until the service closes the connection."""
    answers = []
    with socket.create_connection(("127.0.0.1", service.port), timeout=SECONDS) as client:
        client.sendall(said)
        with client.makefile("rb") as received:
            while line := received.readline():
                length = 0
                while (header := received.readline()) != b"\r\n":
                    name, _, value = header.decode().lower().partition(":")
                    length = int(value) if name == "content-length" else length
                answers.append((int(line.split()[1]), json.loads(received.read(length))))
    return answers


@pytest.mark.parametrize("spends", [1, 2])
@pytest.mark.parametrize(
    ("refused", "status"), [(NO_HTTP, 400), (LONG_HEAD, 431), (NO_BODY, 400)], ids=["no http", "long head", "no body"]
)
def test_whole_requests_are_answered_before_a_refusal(
    service: Serving, user_id: str, refused: bytes, status: int, spends: int
) -> None:
    """Each spend gets its own answer, in order, and then what follows is refused; each credit gone is reported."""
    said = b"".join(spend(user_id) for _ in range(spends))
    answers = answers_to(service, said + refused)
    assert [*[200] * spends, status] == [answered for answered, _ in answers]
    left = [CREDITS - number for number in range(1, spends + 1)]
    assert left == [body["available"] for _, body in answers[:-1]]
    assert status == answers[-1][1]["status"]


def test_nothing_after_a_refusal_is_done(service: Serving, user_id: str) -> None:
    """A spend behind bytes that are no HTTP takes nothing, though the one before them is answered."""
    answers = answers_to(service, spend(user_id) + NO_HTTP + spend(user_id))
    assert [200, 400] == [answered for answered, _ in answers]
    quota = service.http.get(f"/quota?user_id={user_id}", headers={"Authorization": f"Bearer {SERVICE_KEY}"})
    assert CREDITS - 1 == quota.json()["available"]
