"""Counts requests and measures how long they take: Litestar's own HTTP metrics, by route and not by path."""

import time
from collections.abc import Iterable
from typing import Any

from litestar.plugins import ReceiveRoutePlugin
from litestar.plugins.prometheus import PrometheusConfig, PrometheusMiddleware
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Gauge, Histogram

_APP = "credence"


class RouteMetrics:
    """Middleware: Litestar's request metrics, by route and not by path, so that ids make no series.

    A route's series are looked up once; for each request it took a quarter of a quota read's time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._metrics = PrometheusMiddleware(app, PrometheusConfig(app_name=_APP, prefix="credence"))
        self._begun: dict[tuple[str, str], Gauge] = {}
        self._ended: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request, and how long it took."""
        route = (str(scope.get("method", scope["type"])), str(scope["path_template"]))
        in_progress = self._begun.get(route) or self._series_begun(*route)
        begun, status, took = time.perf_counter(), 200, 0.0

        async def noted(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                took = time.perf_counter() - begun
            await send(message)

        in_progress.inc()
        try:
            await self.app(scope, receive, noted)
        finally:
            in_progress.dec()
            count, duration = self._ended.get((*route, status)) or self._series_ended(*route, status)
            count.inc()
            duration.observe(took)
            if status >= 500:
                labels = _labels(*route, status)
                self._metrics.requests_error_count(labels).labels(*labels.values()).inc()

    def begin(self, method: str, path: str, statuses: Iterable[int]) -> None:
        """Show the counters of a route at 0."""
        for status in statuses:
            labels = _labels(method, path, status)
            self._metrics.request_count(labels).labels(*labels.values())
            if status >= 500:
                self._metrics.requests_error_count(labels).labels(*labels.values())

    def _series_begun(self, method: str, path: str) -> Gauge:
        labels = _labels(method, path, 200)
        series = self._begun[method, path] = self._metrics.requests_in_progress(labels).labels(*labels.values())
        return series

    def _series_ended(self, method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        labels = _labels(method, path, status)
        count = self._metrics.request_count(labels).labels(*labels.values())
        series = self._ended[method, path, status] = count, self._metrics.request_time(labels).labels(*labels.values())
        return series


def _labels(method: str, path: str, status: int) -> dict[str, str | int | float]:
    return {"method": method, "path": path, "status_code": status, "app_name": _APP}


class CountedRoutes(ReceiveRoutePlugin):
    """Shows the counters of each route at 0, for each status that it may answer with."""

    def receive_route(self, route: BaseRoute) -> None:
        """Take a route that the application is made of."""
        if isinstance(route, HTTPRoute):
            counted = RouteMetrics(_nowhere)
            for handler in route.route_handlers:
                for method in handler.http_methods - {"OPTIONS"}:
                    counted.begin(method, route.path_format, {handler.status_code, 500, *(handler.responses or ())})


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Serve nothing."""
