"""WebSockets on the small server, under the `websockets` package's own client."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from simulators.http.server import HttpServer, Request, Response
from simulators.http.websocket import WebSocket, upgrade


class Echo:
    """Says back what it hears, in capitals; keeps the last connection, and tells when it has ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.last: WebSocket | None = None

    def __call__(self, request: Request) -> Response:
        return upgrade(request, self.talk)

    def talk(self, socket: WebSocket) -> None:
        self.last = socket
        for message in socket.messages():
            socket.send(message.upper())
        self.ended.set()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[HttpServer]:
    with HttpServer(echo) as running:
        yield running


def address(server: HttpServer) -> str:
    return server.url.replace("http", "ws", 1)


def test_messages_go_both_ways(server: HttpServer) -> None:
    """Short, long, empty, and in pieces; each is one message."""
    with connect(address(server), open_timeout=10) as client:
        for sent in ("hello", "x" * 200_000, ""):
            client.send(sent)
            assert sent.upper() == client.recv(timeout=10)
        client.send(["in ", "three ", "pieces"])
        assert "IN THREE PIECES" == client.recv(timeout=10)


def test_a_ping_is_answered(server: HttpServer) -> None:
    """By itself, between messages."""
    with connect(address(server), open_timeout=10) as client:
        assert client.ping().wait(10)


def test_an_end_is_seen(echo: Echo, server: HttpServer) -> None:
    """After the client left, no more is sent."""
    with connect(address(server), open_timeout=10) as client:
        client.send("hello")
        client.recv(timeout=10)
    assert echo.ended.wait(10)
    assert echo.last is not None
    assert not echo.last.send("still there?")


def test_what_breaks_the_protocol_is_hung_up_on(server: HttpServer) -> None:
    """A message over the limit closes the connection, with the reason's code."""
    with connect(address(server), open_timeout=10) as client:
        client.send("x" * (1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(timeout=10)
    assert raised.value.rcvd is not None
    assert 1009 == raised.value.rcvd.code


def test_a_plain_request_is_refused(server: HttpServer) -> None:
    """It is told to upgrade, and other requests work after it."""
    assert 426 == httpx.get(server.url).status_code
    assert 400 == httpx.post(server.url).status_code


def test_closing_the_server_ends_it(echo: Echo) -> None:
    """The client notices, and the server's thread ends."""
    with HttpServer(echo) as server:
        client = connect(address(server), open_timeout=10)
        client.send("hello")
        client.recv(timeout=10)
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=10)
    assert echo.ended.wait(10)
