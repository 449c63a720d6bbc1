"""WebSockets on the impersonators' HTTP server; the protocol itself is that of the `websockets` package."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from simulators.http.server import Request, Response

IDLE_SECONDS = 120
CHUNK_BYTES = 64 * 1024
_ANSWERED = ("Connection", "Sec-WebSocket-Accept", "Upgrade")


class WebSocket:
    """An open connection, of text messages; any thread may send, one receives."""

    def __init__(self, connection: socket.socket, protocol: ServerProtocol) -> None:
        self._connection = connection
        self._protocol = protocol
        self._lock = threading.Lock()
        # A peer that is alive pings more often.
        connection.settimeout(IDLE_SECONDS)

    def send(self, message: str) -> bool:
        """Send a message; tells whether the connection was still open."""
        with self._lock:
            if self._protocol.state is not State.OPEN:
                return False
            self._protocol.send_text(message.encode())
            return self._flush()

    def messages(self) -> Iterator[str]:
        """Each message that arrives, until the connection ends."""
        parts: list[bytes] = []
        while frames := self._received():
            for frame in frames:
                if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                    parts = [bytes(frame.data)]
                elif frame.opcode is Opcode.CONT:
                    parts.append(bytes(frame.data))
                else:
                    continue
                if frame.fin:
                    yield b"".join(parts).decode(errors="replace")

    def _received(self) -> list[Frame]:
        """The next frames; none once the connection has ended."""
        while True:
            try:
                data = self._connection.recv(CHUNK_BYTES)
            except OSError:
                data = b""
            with self._lock:
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
                frames = [frame for frame in self._protocol.events_received() if isinstance(frame, Frame)]
                self._flush()
            if frames or not data:
                return frames

    def _flush(self) -> bool:
        try:
            for chunk in self._protocol.data_to_send():
                if chunk:
                    self._connection.sendall(chunk)
                else:
                    self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            # A message that went out in part can't be taken up again.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            return False
        return True


def upgrade(request: Request, use: Callable[[WebSocket], None]) -> Response:
    """The answer to a request for a WebSocket: the connection is then used until `use` returns, or 400 says why not."""
    protocol = ServerProtocol()
    head = [f"{name}: {given}" for name, given in request.headers.items()]
    protocol.receive_data("\r\n".join([f"{request.method} {request.target} HTTP/1.1", *head, "", ""]).encode())
    asked = next((event for event in protocol.events_received() if isinstance(event, Handshake)), None)
    if asked is None:
        return Response(status=400, body=b"This is no WebSocket handshake.\n")
    answer = protocol.accept(asked)
    protocol.send_response(answer)
    # The HTTP server writes the answer by itself.
    protocol.data_to_send()
    if protocol.state is not State.OPEN:
        return Response(status=answer.status_code, body=answer.body or b"")
    headers = {name: answer.headers[name] for name in _ANSWERED}
    return Response(status=101, headers=headers, take_over=lambda connection: use(WebSocket(connection, protocol)))
