"""The part of Supabase's API gateway that a ledger needs, in front of a real PostgREST, with faults on demand."""

import http.client
import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from simulators.http.server import HangUp, HttpServer, Request, Response

UPSTREAM_SECONDS = 30
MAX_IDLE_CONNECTIONS = 64
_HOP = frozenset(
    {"connection", "transfer-encoding", "content-length", "keep-alive", "host", "accept-encoding", "date", "server"}
)
_CLOSED_MEANWHILE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
_NO_KEY_HINT = "No `apikey` request header or url param was found."


class SupabaseGateway:
    """Serves `/rest/v1/*` of a PostgREST at `upstream`, to who shows an API key, and to anyone the `jwks`."""

    def __init__(self, upstream: str, *, jwks: Mapping[str, object] | None = None, port: int = 0) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._is_down = False
        self._page: Response | None = None
        self._jwks = {"keys": []} if jwks is None else dict(jwks)
        self._answers_to_lose = 0
        self._requests_to_drop = 0
        self._server = HttpServer(self._answer, port=port)

    @property
    def url(self) -> str:
        """Return the address that stands for SUPABASE_URL."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def down(self) -> None:
        """Answer 503 from now on."""
        with self._lock:
            self._is_down = True

    def show(self, page: Response) -> None:
        """Answer everything with a page from now on, as where another server has taken its place."""
        with self._lock:
            self._page = page

    def up(self) -> None:
        """Work again, with no fault left."""
        with self._lock:
            self._page = None
            self._is_down, self._answers_to_lose, self._requests_to_drop = False, 0, 0

    def lose_answers(self, count: int = 1) -> None:
        """Let the next writes reach the database, but not their answers the client."""
        with self._lock:
            self._answers_to_lose = count

    def drop_next_requests(self, count: int = 1) -> None:
        """Let the next requests end with a closed connection, before they reach the database."""
        with self._lock:
            self._requests_to_drop = count

    def _answer(self, request: Request) -> Response:
        if self._drops_this():
            raise HangUp
        if self._page is not None:
            return self._page
        if self._is_down:
            return _refusal(503, "Service Unavailable")
        if request.path == "/auth/v1/.well-known/jwks.json" and request.method in ("GET", "HEAD"):
            return _json(200, self._jwks)
        if not request.path.startswith("/rest/v1/"):
            return _refusal(404, "no Route matched with those values")
        key = request.headers.get("apikey")
        if not key:
            return _json(401, {"message": "No API key found in request", "hint": _NO_KEY_HINT})
        response = self._forward(request, key)
        if request.path.endswith("/ledger_commit") and self._loses_this():
            raise HangUp
        return response

    def _drops_this(self) -> bool:
        with self._lock:
            if self._requests_to_drop == 0:
                return False
            self._requests_to_drop -= 1
            return True

    def _loses_this(self) -> bool:
        with self._lock:
            if self._answers_to_lose == 0:
                return False
            self._answers_to_lose -= 1
            return True

    def _forward(self, request: Request, key: str) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        headers.setdefault("authorization", f"Bearer {key}")
        target = request.target.removeprefix("/rest/v1")
        while True:
            idle = self._take()
            connection = idle or http.client.HTTPConnection(self._upstream, timeout=UPSTREAM_SECONDS)
            try:
                connection.request(request.method, target, request.body, headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                # An idle connection may have been closed meanwhile, and what was sent on it is then sent once more.
                # Anything else, a timeout too, may have reached the database and means what it says.
                if idle is not None and isinstance(problem, _CLOSED_MEANWHILE):
                    continue
                return _refusal(502, "An invalid response was received from the upstream server")
            self._keep(connection)
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return Response(status=answer.status, headers=kept, body=body)

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()


def _refusal(status: int, message: str) -> Response:
    return _json(status, {"message": message})


def _json(status: int, body: Mapping[str, object]) -> Response:
    return Response(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode())
