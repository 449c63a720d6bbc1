"""Clients that do not read their answer, or hardly: by bytes on a socket, against a service that runs as a process."""

import asyncio
import contextlib
import json
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from features.harness.own_service import Serve, Serving
from features.harness.service import eventually
from features.real_parts import sign_up

SECONDS = 30
"""Much longer than any limit that is set here; a client that waits so long waits for ever."""
SERVICE_KEY, OPERATOR_KEY = "service-key-of-the-unread", "operator-key-of-the-unread"
SPENDS = 80
"""As many as make one answer of 3 MB, more than the kernels at both ends keep between them."""
SIZE = SPENDS * 20 * 500 * 4
"""Bytes of the metadata alone."""
SMALL = 2048
"""Bytes that the client's kernel keeps for it."""
END = b"\r\n\r\n"
KEYS = {"CREDENCE_SERVICE_KEY": SERVICE_KEY, "CREDENCE_OPERATOR_KEY": OPERATOR_KEY}
LIMITS = {"CREDENCE_SEND_SECONDS": "3"}


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def service(serve: Serve, database: str) -> Iterator[Serving]:
    """A service that waits three seconds for a client to read, and a second for a request."""
    with serve(SUPABASE_DB_URL=database, **KEYS, **LIMITS, CREDENCE_REQUEST_SECONDS="1") as serving:
        yield serving


@pytest.fixture(scope="module")
def user_id(service: Serving, database: str) -> str:
    """A user whose entries have all the metadata that there can be."""
    created_id = asyncio.run(sign_up(database))
    grant = {"kind": "goodwill", "credits": SPENDS, "reason": "welcome", "operator": "Grace"}
    metadata = {f"{number}": "\N{BEER MUG}" * 500 for number in range(20)}
    post(service.http, f"/ops/accounts/{created_id}/grants", OPERATOR_KEY, grant)
    for _ in range(SPENDS):
        post(service.http, "/usage", SERVICE_KEY, {"user_id": created_id, "credits": 1, "metadata": metadata})
    return created_id


def post(http: httpx.Client, path: str, key: str, body: dict[str, object]) -> None:
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": uuid.uuid4().hex,
        "Content-Type": "application/json",
    }
    http.post(path, content=json.dumps(body, ensure_ascii=False).encode(), headers=headers).raise_for_status()


def kinds(user_id: str) -> tuple[bytes, bytes, bytes]:
    """Requests: for one answer of 3 MB, for one that is written in pieces, and for two, one after the other."""
    path = f"/transactions?user_id={user_id}&limit=200"
    whole = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE_KEY}\r\n\r\n".encode()
    return whole, whole.replace(b"&limit=200", b"").replace(END, b"\r\nAccept: text/csv" + END), whole * 2


def last(request: bytes) -> bytes:
    """The request, after whose answer the service is to close the connection."""
    return request.replace(END, b"\r\nConnection: close" + END)


@contextlib.contextmanager
def asking(service: Serving, said: bytes) -> Iterator[socket.socket]:
    """A client with next to no room, which has taken the beginning of its answer."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        client.settimeout(SECONDS)
        client.connect(("127.0.0.1", service.port))
        client.sendall(said)
        status = b"HTTP/1.1 200 OK\r\n"
        assert status == client.recv(len(status), socket.MSG_WAITALL)
        yield client


def rest(client: socket.socket) -> int:
    """How many bytes come until the service closes the connection."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * SMALL)
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(1024 * SMALL):
            received += len(more)
    return received


def is_held(service: Serving, client: socket.socket) -> bool:
    """Whether the service still has its end of the connection: a socket that no process has is of inode 0 (proc(5))."""
    ends = f"0100007F:{service.port:04X} 0100007F:{client.getsockname()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(" ".join(line[1:3]) == ends and line[9] != "0" for line in lines)


def wait_a_second(service: Serving, between: Callable[[], object]) -> None:
    """Do something again and again while the service waits for the request of another connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=0.05) as idle:
        while True:
            between()
            with contextlib.suppress(TimeoutError):
                assert idle.recv(1) == b""
                return


def test_an_answer_that_nobody_reads_keeps_no_connection(service: Serving, user_id: str) -> None:
    """Whether all of it is written, or its handler waits to write more; others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(asking(service, said)) for said in kinds(user_id)]
        assert [True] * 3 == [is_held(service, client) for client in clients]
        assert 200 == service.http.get("/plans").status_code
        assert [False] * 3 == eventually(lambda: [is_held(service, client) for client in clients], [False] * 3)
        assert [True] * 3 == [rest(client) < SIZE for client in clients]
    assert 3 == service.log.read_text().count("the client read nothing for 3 seconds")


def test_whoever_reads_slowly_is_served(service: Serving, user_id: str) -> None:
    """However long it takes, even where its kernel takes nothing more from the service for twice the limit."""
    whole, statement, _ = kinds(user_id)
    received = [0, 0]
    with asking(service, last(whole)) as one, asking(service, last(statement)) as two:

        def read_a_bit() -> None:
            for number, client in enumerate((one, two)):
                received[number] += len(client.recv(SMALL // 2))

        for _ in range(7):
            wait_a_second(service, read_a_bit)
        assert [True] * 2 == [part < SIZE // 10 for part in received]
        assert [True] * 2 == [part + rest(client) > SIZE for part, client in zip(received, (one, two), strict=True)]


@pytest.mark.parametrize("settings", [{"CREDENCE_STOP_SECONDS": "1"}, {**LIMITS, "CREDENCE_STOP_SECONDS": "3600"}])
def test_an_answer_that_nobody_reads_does_not_keep_the_process(
    serve: Serve, database: str, user_id: str, settings: dict[str, str]
) -> None:
    """SIGTERM ends it in order, with exit code 0: after the time for a stop, or that for an unread answer."""
    with serve(SUPABASE_DB_URL=database, **KEYS, **settings) as service, contextlib.ExitStack() as stack:
        for said in kinds(user_id):
            stack.enter_context(asking(service, said))
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(timeout=SECONDS)
        assert "Traceback" not in service.log.read_text()
