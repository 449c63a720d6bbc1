"""An answer leaves in one write; what is written alone is not held back."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable

import uvicorn
from litestar import Litestar, get, head
from litestar.response import Stream

from entrypoints.http.joined_writes import JoinedWritesProtocol, JoiningTransport


class Connection(asyncio.Transport):
    """A connection that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        assert not self.is_closing()
        self.sent.append(data)

    def is_closing(self) -> bool:
        return "closed" in self.sent

    def close(self) -> None:
        self.sent.append("closed")


class Server(uvicorn.Server):
    """A server that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


def reported_of(act: Callable[[JoiningTransport, Connection], None]) -> list[bytes | str]:
    """What the connection was told during the act, and what in the turn of the event loop that followed it."""

    async def story() -> list[bytes | str]:
        connection = Connection()
        act(JoiningTransport(connection, asyncio.get_running_loop().call_soon), connection)
        connection.sent.append("turn")
        await asyncio.sleep(0)
        return connection.sent

    return asyncio.run(story())


def test_head_and_body_are_one_write() -> None:
    """And so are the next two."""

    def two_answers(transport: JoiningTransport, _: Connection) -> None:
        for part in (b"head ", b"body", b"head2 ", b"body2"):
            transport.write(part)

    assert [b"head body", b"head2 body2", "turn"] == reported_of(two_answers)


def test_a_lone_write_leaves_in_the_next_turn() -> None:
    """The head of an answer whose body takes its time, or that has none."""
    assert ["turn", b"head"] == reported_of(lambda transport, _: transport.write(b"head"))


def test_closing_sends_what_waits() -> None:
    """Before, and once."""

    def end(transport: JoiningTransport, _: Connection) -> None:
        transport.write(b"head")
        transport.close()

    assert [b"head", "closed", "turn"] == reported_of(end)


def test_nothing_is_sent_to_whom_has_gone() -> None:
    """A connection that is lost meanwhile is written to no more."""

    def lose(transport: JoiningTransport, connection: Connection) -> None:
        transport.write(b"head")
        connection.close()

    assert ["closed", "turn"] == reported_of(lose)


def test_a_server_answers_as_uvicorn_does() -> None:
    """Plain, streamed and bodiless answers, over one kept connection, to its end."""

    @get("/plain")
    async def plain() -> str:
        return "hello"

    @get("/stream")
    async def stream() -> Stream:
        return Stream(iter([b"a", b"b" * 100_000]))

    @head("/none")
    async def none() -> None:
        return None

    app = Litestar([plain, stream, none], openapi_config=None, logging_config=None)
    server = Server(uvicorn.Config(app, port=0, http=JoinedWritesProtocol, ws="none", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.is_up.wait(10)
        port = server.servers[0].sockets[0].getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for method, path, body in [
            ("GET", "/plain", b"hello"),
            ("GET", "/stream", b"a" + b"b" * 100_000),
            ("HEAD", "/none", b""),
            ("GET", "/plain", b"hello"),
        ]:
            connection.request(method, path)
            answer = connection.getresponse()
            assert (200, body) == (answer.status, answer.read())
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "a",
        }
        connection.request("GET", "/plain", headers=asked)
        assert b"hello" == connection.getresponse().read()
        connection.request("GET", "/plain", headers={"Connection": "close"})
        assert b"hello" == connection.getresponse().read()
    finally:
        server.should_exit = True
        thread.join()
