"""Turns bytes into requests: uvicorn's protocol, with time limits for sending a request and for reading an answer, and
problems in answer to malformed requests.
"""

import asyncio
import fcntl
import struct
import termios
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.http.edge import TOO_SLOW
from entrypoints.http.problems import raw_problem
from entrypoints.telemetry.requests import HEADER, log, request_id_of

MAX_HEAD_BYTES = 64 * 1024
"""More than any request line with its headers needs; both are kept in memory until they are complete."""

PIECE_BYTES = 4 * 1024
"""How much is parsed at a time: by so much, a head that begins behind the end of another request may be longer."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. A timer runs while a request, or the first one, is on its way; another looks after the answers.

    A body that the application waits for is the application's to refuse: what is under way is then answered last.
    """

    request_seconds: float
    send_seconds: float

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timer: TimerHandle | None = None
        self._send_timer: TimerHandle | None = None
        self._unsent = 0
        self._is_complete = self._is_in_head = False
        self._head_bytes = 0
        self._refusal = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, on which a request has to come."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._start_timer()
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        if self._send_timer is not None:
            self._send_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes. The timer runs until a request is complete, however many bytes arrive in between.

        After a refusal no bytes are read as a request.
        """
        for start in range(0, len(data), PIECE_BYTES):
            if self._refusal:
                return
            self._take(data[start : start + PIECE_BYTES])

    def _take(self, data: bytes) -> None:
        self._is_complete = False
        self._head_bytes += len(data)
        super().data_received(data)
        if self._refusal or self.transport.is_closing():
            return
        if self._is_complete:
            self._stop_timer()
        if not self._is_complete or self.cycle.response_complete:
            self._start_timer()
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, f"The request line and the headers have more than {MAX_HEAD_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_complete, self._is_in_head = False, True

    def on_headers_complete(self) -> None:
        """Let the application begin."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that a request is complete, and count the bytes after this piece as the next request's head."""
        self._is_complete, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, or to the refusal that waited for this answer."""
        if self._refusal and not self.pipeline:
            self._send_refusal()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.request_seconds, self._end_slow_request)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_slow_request(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, TOO_SLOW)
        else:
            self.transport.close()

    def _look_again(self) -> None:
        self._send_timer = self.loop.call_later(self.send_seconds, self._end_stalled_answer)

    def _end_stalled_answer(self) -> None:
        """Abort a connection whose client read nothing since the last check.

        Only while nothing is written, because the buffer is full or the connection closes, can the unsent bytes be
        compared: they only become fewer then.
        """
        before, self._unsent = self._unsent, _unsent(self.transport)
        if self._unsent and self._unsent == before and (self.flow.write_paused or self.transport.is_closing()):
            log.info("Aborted a connection: the client read nothing for %s seconds", self.send_seconds)
            self.transport.abort()
        else:
            self._look_again()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Refuse what arrives now and all that follows, once the whole requests before it are answered."""
        self._stop_timer()
        request_id = request_id_of(())
        headers, body = raw_problem(status, status.phrase.lower().replace(" ", "-"), detail, request_id)
        headers += [(HEADER, request_id.encode()), (b"connection", b"close")]
        head = b"".join(b"%s: %s\r\n" % header for header in headers)
        self._refusal = b"%s%s\r\n%s" % (STATUS_LINE[status], head, body)
        log.info("Refused a connection: %s", detail, extra={"status": status.value, "request_id": request_id})
        cycle = self.cycle  # of the newest request whose head is whole
        if self.pipeline and cycle.more_body:
            self.pipeline.popleft()  # That one is refused; the request before it is under way.
        elif cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started):
            self._send_refusal()

    def _send_refusal(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.transport.close()


def _unsent(transport: asyncio.Transport) -> int:
    """Return how many bytes the client has not taken, the kernel's included; 0 where none wait here."""
    waiting = transport.get_write_buffer_size()
    if not waiting:
        return 0
    # The kernel takes more in leaps of up to megabytes, so that a slow reader can only be seen by its own queue.
    descriptor = transport.get_extra_info("socket").fileno()
    try:
        (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    except OSError:  # A system other than Linux does not say it of a socket.
        return waiting
    return waiting + int(queued)


def limited_protocol(*, request_seconds: float, send_seconds: float) -> type[LimitedProtocol]:
    """Return the protocol with these limits, in seconds, for the arrival of a request and for stalled answers."""
    return type(
        "LimitedProtocol", (LimitedProtocol,), {"request_seconds": request_seconds, "send_seconds": send_seconds}
    )
