"""The limits of HTTP: a bare Litestar handler served as ours is, or the least that answers at all.

`python -m features.bench.bare litestar|nothing` prints its address and runs until it is ended.
"""

import asyncio
import json
import socket
import sys
from typing import cast

import uvicorn
import uvloop
from litestar import Litestar, get, post

ANSWER = {"user_id": "u", "balance": 50, "held": 0, "available": 50, "version": 1, "source": "cache"}


@get("/quota")
async def read() -> dict[str, object]:
    """An answer like a quota's."""
    return ANSWER


@post("/webhooks/stripe", status_code=200)
async def receive() -> dict[str, str]:
    """An answer like a webhook's."""
    return {"status": "applied"}


class _Nothing(asyncio.Protocol):
    """Answers each chunk with the same bytes: what the client of this measurement can take at most."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        body = json.dumps(ANSWER).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def _serve_nothing(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(_Nothing, sock=listening)
    await server.serve_forever()


async def _serve_litestar(listening: socket.socket) -> None:
    app = Litestar([read, receive], logging_config=None, openapi_config=None)
    await uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).serve([listening])


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvloop.run(_serve_nothing(listening) if sys.argv[1] == "nothing" else _serve_litestar(listening))
