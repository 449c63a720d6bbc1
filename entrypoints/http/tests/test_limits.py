"""How long a client may take, and its answer then: by bytes on a socket, against a service that runs as a process."""

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoints.http.protocol import MAX_HEAD_BYTES
from features.harness.own_service import Serve, Serving

SECONDS = 30
"""Much longer than any limit that is set here; a client that waits so long waits for ever."""
HALF_A_BODY = (
    b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    b"Expect: 100-continue\r\n\r\n"
)
"""The head of a request; the service asks for its body once it waits for that."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

both_ways = pytest.mark.parametrize("query", [b"", b"?&"], ids=["the short way", "Litestar's way"])


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    """A service that gives a request, and a connection without one, a second each."""
    with serve(CREDENCE_REQUEST_SECONDS="1", CREDENCE_IDLE_SECONDS="1") as serving:
        yield serving


@contextlib.contextmanager
def connected(service: Serving) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=SECONDS) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """All that comes until the service closes the connection, by a reset if it was sent more than it read."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            received += more
    return received


def with_half_a_body(client: socket.socket, query: bytes) -> None:
    client.sendall(HALF_A_BODY.replace(b" HTTP", query + b" HTTP", 1))
    assert CONTINUE == client.recv(len(CONTINUE), socket.MSG_WAITALL)
    client.sendall(b'{"half":')


def problem_in(answer: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the members of the one answer, which is a problem that names its request, and the last one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    problem = json.loads(body)
    assert ("application/problem+json", "close") == (headers["content-type"], headers["connection"])
    assert headers["x-request-id"] == problem["request_id"]
    assert {"type", "title", "status", "detail", "request_id"} == problem.keys()
    assert lines[0].startswith(f"http/1.1 {problem['status']}")
    return problem["status"], problem


@both_ways
def test_a_body_that_does_not_arrive_is_refused(service: Serving, query: bytes) -> None:
    """Half of one, and then nothing."""
    with connected(service) as client:
        with_half_a_body(client, query)
        status, problem = problem_in(rest(client))
    assert (408, "urn:credence:request-timeout") == (status, problem["type"])


def test_a_body_that_dribbles_in_is_refused(service: Serving) -> None:
    """Bytes that go on coming do not prolong the time."""
    with connected(service) as client:
        client.sendall(HALF_A_BODY.replace(b"100\r\n", b"100000\r\n"))
        client.recv(len(CONTINUE), socket.MSG_WAITALL)
        client.settimeout(0.01)
        for _ in range(100 * SECONDS):
            with contextlib.suppress(TimeoutError):
                answer = client.recv(65536)
                break
            client.sendall(b" ")
        client.settimeout(SECONDS)
        status, _ = problem_in(answer + rest(client))
    assert 408 == status


def test_a_head_that_does_not_arrive_is_refused(service: Serving) -> None:
    """The first request of a connection, and one after another."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for before in (b"", whole):
        with connected(service) as client:
            client.sendall(before + b"GET /plans HTTP/1.1\r\nHost:")
            answer = rest(client)
        assert bool(before) is answer.startswith(b"HTTP/1.1 200 OK")
        status, _ = problem_in(answer[answer.index(b"HTTP/1.1 408") :])
        assert 408 == status


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], ids=repr)
def test_a_connection_without_requests_is_closed(service: Serving, said: bytes) -> None:
    """One that never had any, and one whose last was answered; there is nothing to say."""
    with connected(service) as client:
        client.sendall(said)
        answer = rest(client)
    assert (1 if said.startswith(b"GET") else 0) == answer.count(b"HTTP/1.1")


def test_a_body_that_nobody_waits_for_keeps_no_connection(service: Serving) -> None:
    """Whoever is refused at once may not go on sending for ever."""
    with connected(service) as client:
        client.sendall(b"POST /usage HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answer = rest(client)
    assert [b"HTTP/1.1 401 Unauthorized"] == [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1")]


@pytest.mark.parametrize(
    "said",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)
def test_bytes_that_are_no_http_are_answered_by_a_problem(service: Serving, said: bytes) -> None:
    """As every other refusal is."""
    with connected(service) as client:
        client.sendall(said)
        status, problem = problem_in(rest(client))
    assert (400, "urn:credence:bad-request") == (status, problem["type"])


def test_a_head_has_a_bound(service: Serving) -> None:
    """Its bytes are kept until it is whole, so there are not any number of them."""
    with connected(service) as client:
        client.sendall(b"GET /plans HTTP/1.1\r\nX: ".ljust(MAX_HEAD_BYTES + 1, b"x"))
        status, problem = problem_in(rest(client))
    assert (431, "urn:credence:request-header-fields-too-large") == (status, problem["type"])


@both_ways
def test_half_a_body_does_not_keep_the_process(serve: Serve, query: bytes) -> None:
    """SIGTERM ends it in order, with exit code 0, and the client is told to come again."""
    with serve(CREDENCE_STOP_SECONDS="1", CREDENCE_REQUEST_SECONDS="3600") as service, connected(service) as client:
        with_half_a_body(client, query)
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(timeout=SECONDS)
        status, problem = problem_in(rest(client))
        said = service.log.read_text()
    assert (503, "urn:credence:stopping") == (status, problem["type"])
    assert "Traceback" not in said
