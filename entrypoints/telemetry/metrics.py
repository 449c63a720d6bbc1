"""The service's own metrics, beside Litestar's HTTP metrics, at `/metrics`."""

import time

from litestar.plugins.prometheus import PrometheusConfig, PrometheusController, PrometheusMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Gauge, Histogram

from domain.upkeep.consistency import Backlog
from domain.usecases.recorded import Recorded

_APP = "credence"

_recorded = Counter(
    "credence_webhook_events_total",
    "Webhook deliveries recorded, by event type, status and reason.",
    ["type", "status", "reason"],
)
_failed = Counter(
    "credence_webhook_failures_total",
    "Webhook deliveries that could not be stored (answered 503).",
    ["type"],
)
_refused = Counter(
    "credence_webhook_refusals_total",
    "Webhook deliveries refused (answered 400).",
    ["kind"],
)

_operations = Counter(
    "credence_credit_operations_total",
    "Spends, holds, captures, voids, grants and adjustments requested, by outcome.",
    ["operation", "outcome"],
)

_waiting = Gauge(
    "credence_waiting_events",
    "Inbox events pending now, by status and reason; counted every 15 seconds.",
    ["status", "reason"],
)
_messages = Gauge(
    "credence_outbox_messages",
    "Outbox messages due, and those whose delivery failed; counted every 15 seconds.",
    ["state"],
)


class RouteMetrics:
    """Middleware for Litestar's request metrics, labelled by route and not by path, so that ids create no series.

    A route's series are looked up once; doing it for each request took a quarter of the time of a quota read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._metrics = PrometheusMiddleware(app, PrometheusConfig(app_name=_APP, prefix="credence"))
        self._begun: dict[tuple[str, str], Gauge] = {}
        self._ended: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request and measure its duration."""
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


def recorded_delivery(event_type: str, recorded: Recorded) -> None:
    """Count a recorded delivery, labelled by the reason without its details."""
    reason = (recorded.reason or "").partition(":")[0] if recorded.status == "parked" else ""
    _recorded.labels(event_type, recorded.status, reason).inc()


def failed_delivery(event_type: str) -> None:
    """Count a delivery that was answered 503."""
    _failed.labels(event_type).inc()


def refused_delivery(kind: str) -> None:
    """Count a delivery that was answered 400."""
    _refused.labels(kind).inc()


def executed_operation(operation: str, outcome: str) -> None:
    """Count a credit operation by the class names of operation and outcome."""
    _operations.labels(operation, outcome).inc()


def show_backlog(backlog: Backlog) -> None:
    """Set the gauges of pending events and messages."""
    _waiting.clear()
    for (status, reason), count in backlog.events.items():
        _waiting.labels(status, reason).set(count)
    _messages.labels("due").set(backlog.messages_due)
    _messages.labels("failed").set(backlog.messages_failed)


class MetricsController(PrometheusController):
    """`GET /metrics`, in Prometheus's text format."""

    path = "/metrics"
    include_in_schema = False  # not in OpenAPI: no client is generated for this format
