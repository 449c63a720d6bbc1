"""A client that costs little: prepared bytes over kept connections, each sending again as soon as it is answered."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import urlsplit

from features.bench.figures import Measured, latency_of

CONNECTIONS = 64
ALL_SECONDS = 120.0
"""In which all of a number of requests must be answered."""


class UnexpectedAnswer(Exception):
    """The server answered something else than success."""


async def keep_requesting(
    url: str, next_request: Callable[[], bytes], *, seconds: float, connections: int = CONNECTIONS
) -> Measured:
    """The rate at which requests are answered 200, after a fifth of the time to warm up.

    :raises UnexpectedAnswer: if one is not.
    """
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    begins = time.perf_counter() + seconds / 5
    clients = [_Connection(next_request, begins, begins + seconds, loop.create_future()) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, address.hostname, address.port)
    async with asyncio.timeout(seconds * 2 + 60):
        await asyncio.gather(*(client.done for client in clients))
    took = [duration for client in clients for duration in client.took]
    return Measured(rate=len(took) / seconds, latency=latency_of(took, at_least=seconds))


async def send_all(url: str, requests: Iterator[bytes], *, connections: int) -> None:
    """Send each request once, by so many connections, and wait until all are answered 200.

    :raises UnexpectedAnswer: if one is not.
    :raises TimeoutError: if they are not within two minutes.
    """
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    clients = [_Connection(lambda: next(requests, None), 0, math.inf, loop.create_future()) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, address.hostname, address.port)
    async with asyncio.timeout(ALL_SECONDS):
        await asyncio.gather(*(client.done for client in clients))


class _Connection(asyncio.Protocol):
    def __init__(
        self, next_request: Callable[[], bytes | None], begins: float, ends: float, done: asyncio.Future[None]
    ) -> None:
        self.took: list[float] = []
        self.done = done
        self._next_request, self._begins, self._ends = next_request, begins, ends
        self._received = b""
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        _, _, after = head.lower().partition(b"content-length:")
        if len(body) < int(after.split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(UnexpectedAnswer(self._received[:2000].decode(errors="replace")))
            return
        if self._begins <= self._asked and now <= self._ends:
            self.took.append(now - self._asked)
        self._received = b""
        if now >= self._ends:
            self._end(None)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(UnexpectedAnswer("the connection was closed"))

    def _send(self) -> None:
        assert self._transport is not None
        request = self._next_request()
        if request is None:
            self._end(None)
            return
        self._asked = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        assert self._transport is not None
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self._transport.close()
