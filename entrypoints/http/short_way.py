"""A short way for a hot route: plain requests are answered without Litestar's parameters and responses."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar.serialization import encode_json
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from entrypoints.http.guarding import REFUSAL, guard
from entrypoints.http.request_bodies import JsonRequest

Answered = tuple[Any, Mapping[str, str]]
"""What is answered 200 as JSON, and the headers beside those of its body."""

Answer = Callable[[JsonRequest, re.Match[bytes]], Awaitable[Answered]]
"""Answers a request that was admitted, or raises what the route's handler would raise."""

NO_QUERY = re.compile(b"")
"""The query of all requests to a route that has no parameters in its address."""


class ShortWay:
    """Middleware of one route; `query` matches the queries that it answers itself.

    All others go on to the route's handler. A refusal goes the same way, where `guard` raises it: it is answered there.
    """

    def __init__(self, app: ASGIApp, *, answer: Answer, query: re.Pattern[bytes] = NO_QUERY) -> None:
        self._app = app
        self._query = query
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        query = self._query.fullmatch(scope["query_string"])
        if query is None:
            await self._app(scope, receive, send)
            return
        request = JsonRequest(scope, receive, send)
        try:
            await guard(request)
            answered, headers = await self._answer(request, query)
            body = encode_json(answered)
        except Exception as refusal:  # noqa: BLE001 - whatever it is, it is answered as the handler's
            scope["state"][REFUSAL] = refusal
            await self._app(scope, receive, send)
            return
        await _send(send, body, headers)


async def _send(send: Send, body: bytes, headers: Mapping[str, str]) -> None:
    sent = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    sent += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send(HTTPResponseStartEvent(type="http.response.start", status=200, headers=sent))
    await send(HTTPResponseBodyEvent(type="http.response.body", body=body, more_body=False))
