"""The small HTTP server that every impersonator stands on."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import attrs

MAX_BODY_BYTES = 16 * 1024 * 1024
CLOSING_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Request:
    """A request; header names are lower-case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    target: str
    """Path and query as they came."""


@attrs.frozen(kw_only=True)
class Response:
    """A response; `take_over` is given the connection after it, and has it until it returns."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    take_over: Callable[[socket.socket], None] | None = None


class HangUp(Exception):
    """Raised by a handler to close the connection without an answer."""


Handler = Callable[[Request], Response]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: Handler) -> None:
        self.handler = handler
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection before its thread starts, so that closing misses none."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection when its thread has closed it."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def hang_up(self) -> None:
        """End every connection, idle ones too, and wait a while for their threads."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, CLOSING_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show a handler's mistake; a client that goes away in the middle is its own affair."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def _serve(self) -> None:
        length = self._body_length()
        if length is None:
            return
        split = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=split.path,
            query=tuple(parse_qsl(split.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
            target=self.path,
        )
        try:
            response = self.server.handler(request)
        except HangUp:
            self.close_connection = True
            return
        if "Date" in response.headers:
            self.send_response_only(response.status)
        else:
            self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.take_over is not None:
            self.end_headers()
            self.close_connection = True
            response.take_over(self.connection)
            return
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _body_length(self) -> int | None:
        given = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            self.send_error(411)
        elif not (given.isascii() and given.isdecimal()):
            self.send_error(400)
        elif len(given) > 12 or int(given) > MAX_BODY_BYTES:
            self.send_error(413)
        else:
            return int(given)
        # The body is not read, so that its end and the next request can't be found.
        self.close_connection = True
        return None

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - http.server's names


class HttpServer:
    """A server on the loopback address, in threads of its own."""

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Return the address, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
