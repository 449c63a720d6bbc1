"""HTTP connections on which a small answer leaves whole: head and body in one write, where uvicorn makes two."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoiningTransport:
    """What uvicorn's protocol uses of a transport once it is connected, where it knows no WebSockets.

    What is written waits for what is written next, but no longer than until the event loop's next turn.
    """

    __slots__ = ("_call_soon", "_to", "_waiting", "is_closing")

    def __init__(self, to: asyncio.Transport, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._to = to
        self._call_soon = call_soon
        self._waiting = b""
        self.is_closing = to.is_closing

    def write(self, data: bytes) -> None:
        """Send the bytes, with those that wait before them, or soon."""
        if self._waiting:
            self._to.write(self._waiting + data)
            self._waiting = b""
        else:
            self._waiting = data
            self._call_soon(self._flush)

    def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        self._to.close()

    def _flush(self) -> None:
        if self._waiting and not self._to.is_closing():
            self._to.write(self._waiting)
        self._waiting = b""


class JoinedWritesProtocol(HttpToolsProtocol):
    """uvicorn's protocol over such a transport: a packet less, and a call of the system less, for each answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self.transport = JoiningTransport(transport, self.loop.call_soon)  # type: ignore[assignment]
