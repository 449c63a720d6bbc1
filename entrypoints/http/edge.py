"""The edge of the application, which handles every request before and after its route."""

import asyncio
import time
from http import HTTPStatus
from typing import Any, cast

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Send

from entrypoints.http.problems import problem, raw_problem
from entrypoints.settings.settings import Settings
from entrypoints.telemetry.requests import HEADER, current_request, log_request, request_id_of

TOO_SLOW = "The request did not arrive completely in time."
STOPPING = "The service is stopping and did not finish this; try again, with the same Idempotency-Key if there was one."


class Edge:
    """An ASGI application around another: gives each request an id, a limit on its arrival, and a line in the log."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._seconds = settings.request_seconds
        self._wanted = settings.request_log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        begun, status = time.perf_counter(), 0
        request_id = request_id_of(scope["headers"])
        current_request.set(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, self._in_time(receive), send_with_id)
        except asyncio.CancelledError:  # by the server, which waits no longer for what is under way
            if not status:
                await _refuse_to_finish(send_with_id, request_id)
        finally:
            route, seconds = scope.get("path_template"), time.perf_counter() - begun
            log_request(self._wanted, method=scope["method"], route=route, status=status or 500, seconds=seconds)

    def _in_time(self, receive: Receive) -> Receive:
        """Return what receives the request; raises the problem that it is too slow, or breaks off."""
        deadline, is_complete = asyncio.get_running_loop().time() + self._seconds, False

        async def receive_in_time() -> HTTPReceiveMessage:
            nonlocal is_complete
            if is_complete:
                return cast("HTTPReceiveMessage", await receive())
            try:
                async with asyncio.timeout_at(deadline):
                    message: Any = await receive()
            except TimeoutError:
                raise problem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", TOO_SLOW) from None
            if message["type"] == "http.disconnect":
                raise problem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", TOO_SLOW)
            is_complete = not message.get("more_body", False)
            return cast("HTTPReceiveMessage", message)

        return cast("Receive", receive_in_time)


async def _refuse_to_finish(send: Send, request_id: str) -> None:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers, body = raw_problem(status, "stopping", STOPPING, request_id)
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
