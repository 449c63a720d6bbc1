"""The address of a Supabase project in front of a PostgREST: takes `/rest/v1` off, passes bytes on, and costs little.

`python -m features.bench.gateway UPSTREAM` prints its address and runs until it is ended.
"""

import asyncio
import sys
from urllib.parse import urlsplit

PREFIX = b" /rest/v1/"


class _Side(asyncio.Protocol):
    """One side of a connection; what arrives goes to the other."""

    def __init__(self, other: "_Side | None" = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        for chunk in self.early:
            transport.write(chunk)
        self.early.clear()

    def send(self, chunk: bytes) -> None:
        if self.transport is None:
            self.early.append(chunk)
        else:
            self.transport.write(chunk)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Client(_Side):
    """The side that asks: its requests are told from their bodies by their first line alone."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(_Side())
        self._host, self._port = host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.other is not None
        self.other.other = self
        loop, other = asyncio.get_running_loop(), self.other
        self._connecting = loop.create_task(loop.create_connection(lambda: other, self._host, self._port))

    def data_received(self, data: bytes) -> None:
        # A request's head comes in a write of its own or before its body, never in the middle of a chunk.
        head, method = data[:24], data.split(b" ", 1)[0]
        if method in (b"POST", b"GET", b"PATCH") and PREFIX in head:
            data = data.replace(PREFIX, b" /", 1)
        super().data_received(data)


async def main(upstream: str) -> None:
    """Serve on a free port."""
    address = urlsplit(upstream)
    host, port = str(address.hostname), int(address.port or 80)
    server = await asyncio.get_running_loop().create_server(lambda: _Client(host, port), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
