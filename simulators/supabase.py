"""The part of Supabase's API gateway that a ledger needs, in front of a real PostgREST, with faults on demand."""

import http.client
import json
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from simulators.http import HangUp, HttpServer, Request, Response

UPSTREAM_SECONDS = 30
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host", "accept-encoding"})


class SupabaseGateway:
    """Serves `/rest/v1/*` of a PostgREST at `upstream`, to who shows an API key."""

    def __init__(self, upstream: str, *, port: int = 0) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._is_down = False
        self._answers_to_lose = 0
        self._server = HttpServer(self._answer, port=port)

    @property
    def url(self) -> str:
        """The address that stands for SUPABASE_URL."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        for connection in self._idle:
            connection.close()

    def down(self) -> None:
        """Answer 503 from now on."""
        self._is_down = True

    def up(self) -> None:
        """Work again, with no fault left."""
        with self._lock:
            self._is_down, self._answers_to_lose = False, 0

    def lose_answers(self, count: int = 1) -> None:
        """Let the next writes reach the database, but not their answers the client."""
        with self._lock:
            self._answers_to_lose = count

    def _answer(self, request: Request) -> Response:
        if self._is_down:
            return _refusal(503, "Service Unavailable")
        if not request.path.startswith("/rest/v1/"):
            return _refusal(404, "no Route matched with those values")
        key = request.headers.get("apikey")
        if not key:
            return _refusal(401, "No API key found in request")
        response = self._forward(request, key)
        if request.path.endswith("/ledger_commit") and self._loses_this():
            raise HangUp
        return response

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
        idle = self._take()
        for connection in filter(None, (idle, self._fresh())):
            try:
                connection.request(request.method, target, request.body, headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                # An idle connection may have been closed meanwhile; a fresh one that fails means what it says.
                connection.close()
                continue
            with self._lock:
                self._idle.append(connection)
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return Response(status=answer.status, headers=kept, body=body)
        return _refusal(502, "An invalid response was received from the upstream server")

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _fresh(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._upstream, timeout=UPSTREAM_SECONDS)


def _refusal(status: int, message: str) -> Response:
    return Response(
        status=status,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"message": message}).encode(),
    )
