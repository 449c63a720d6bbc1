"""The product's backend, as the features play it: it hears notices, trusting only what is signed."""

import base64
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook

from simulators.http.server import HttpServer, Request, Response

NOTIFY_SECRET = "whsec_" + base64.b64encode(b"what notices are signed with here").decode()


class Product:
    """Takes notices of the service's, unless it does not listen."""

    def __init__(self) -> None:
        self.listens = True
        self._heard: dict[str, dict[str, Any]] = {}
        self._server = HttpServer(self._take)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Return the address to which notices are posted."""
        return f"{self._server.url}/notices"

    def heard_of(self, user_id: str) -> list[int]:
        """Return the user's available credits in each notice that was not received before."""
        return [given["available"] for given in self._heard.values() if given["user_id"] == user_id]

    def _take(self, request: Request) -> Response:
        given = Webhook(NOTIFY_SECRET).verify(request.body, dict(request.headers))
        if not self.listens:
            self.listens = True
            return Response(status=503)
        if given["type"] == "credits.low_balance":
            self._heard.setdefault(request.headers["webhook-id"], given["data"])
        return Response(status=204)
