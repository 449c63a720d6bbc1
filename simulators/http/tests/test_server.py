"""The server that the impersonators stand on."""

import http.client
import socket
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from simulators.http import server as server_module
from simulators.http.server import HangUp, HttpServer, Request, Response


def echo(request: Request) -> Response:
    """What came in."""
    if request.path == "/hang-up":
        raise HangUp
    text = f"{request.method} {request.target} {dict(request.query)} {request.headers.get('x-a')} {request.body!r}"
    return Response(status=201, headers={"X-Seen": "yes"}, body=text.encode())


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)


def test_a_handler_sees_the_request_and_makes_the_response() -> None:
    """Method, path, query, headers and body come in; status, headers and body go out."""
    with HttpServer(echo) as server:
        answer = httpx.post(f"{server.url}/a/b?c=d%20e&f=", content=b"body", headers={"X-A": "1"})
    assert (201, "yes") == (answer.status_code, answer.headers["x-seen"])
    assert "POST /a/b?c=d%20e&f= {'c': 'd e', 'f': ''} 1 b'body'" == answer.text


def test_a_connection_is_kept() -> None:
    """Two requests go over one connection; the answer to HEAD has no body."""
    with HttpServer(echo) as server:
        connection = connect(server.url)
        connection.request("HEAD", "/")
        assert b"" == connection.getresponse().read()
        first = connection.sock
        connection.request("GET", "/")
        assert b"GET" in connection.getresponse().read()
        assert first is connection.sock is not None
        connection.close()


def test_closing_ends_idle_connections() -> None:
    """Clients that hold a connection open neither delay the end nor outlive it."""
    before = threading.active_count()
    with HttpServer(echo) as server:
        connections = [connect(server.url) for _ in range(5)]
        for connection in connections:
            connection.request("GET", "/")
            connection.getresponse().read()
        silent = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=10)
    for connection in connections:
        assert connection.sock is not None
        assert b"" == connection.sock.recv(1)
        connection.close()
    silent.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    assert threading.active_count() - before <= len(connections) + 1


def test_a_handler_can_hang_up() -> None:
    """The client gets no answer, and the next request works."""
    with HttpServer(echo) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server.url}/hang-up")
        assert 201 == httpx.get(server.url).status_code


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: -1", 400),
        ("Content-Length: many", 400),
        (f"Content-Length: {server_module.MAX_BODY_BYTES + 1}", 413),
        (f"Content-Length: {'9' * 5000}", 413),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_without_a_sensible_length_is_refused(header: str, status: int) -> None:
    """It is refused unread, and the connection ends."""
    with HttpServer(echo) as server:
        address = ("127.0.0.1", urlsplit(server.url).port or 0)
        with socket.create_connection(address, timeout=10) as client, client.makefile("rb") as answer:
            client.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n".encode())
            assert f"HTTP/1.1 {status}".encode() in answer.read()


def test_a_handlers_mistake_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that no client made is printed, not swallowed."""

    def broken(request: Request) -> Response:
        raise LookupError(request.path)

    with HttpServer(broken) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/mistake")
    assert "LookupError: /mistake" in capsys.readouterr().err
