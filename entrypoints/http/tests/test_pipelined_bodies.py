"""Requests with large bodies, one right behind the other on a connection, however the network cuts them up."""

import json
import socket
from collections.abc import Iterator

import pytest

from entrypoints.http.app import MAX_BODY_BYTES
from entrypoints.http.protocol import MAX_HEAD_BYTES
from features.harness.own_service import Serve, Serving

SECONDS = 30
"""Much longer than an answer takes."""
SERVICE_KEY = "service-key-of-the-pipeline"
REQUESTS = 8


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    with serve(CREDENCE_SERVICE_KEY=SERVICE_KEY) as serving:
        yield serving


def spend(number: int) -> bytes:
    """The bytes of a spend by an unknown user, with a body near the limit, and a head that is long but may be so."""
    user_id = f"00000000-0000-0000-0000-{number:012}"
    body = json.dumps({"user_id": user_id, "credits": 1}).encode().ljust(MAX_BODY_BYTES - 1)
    head = (
        f"POST /usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE_KEY}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {number}\r\nContent-Length: {len(body)}\r\nX: "
    )
    return head.encode().ljust(MAX_HEAD_BYTES - 4, b"x") + b"\r\n\r\n" + body


@pytest.mark.parametrize("size", [4_099, 65_537, 99_991, 160_001, 10_000_000])
def test_the_end_of_a_body_is_not_counted_for_the_next_head(service: Serving, size: int) -> None:
    """All the requests are answered in order, none is refused for a head that is too large."""
    said = b"".join(spend(number) for number in range(REQUESTS))
    with socket.create_connection(("127.0.0.1", service.port), timeout=SECONDS) as client:
        for start in range(0, len(said), size):
            client.sendall(said[start : start + size])
        with client.makefile("rb") as received:
            assert [404] * REQUESTS == [next_status(received) for _ in range(REQUESTS)]


def next_status(received: socket.SocketIO) -> int:
    """The status of the next answer, which is read to its end; 0 if there is none."""
    line, length = received.readline(), 0
    while (header := received.readline().lower()).strip():
        name, _, value = header.partition(b":")
        length = int(value) if name == b"content-length" else length
    received.read(length)
    return int(line.split()[1]) if line else 0
