"""What is counted of deliveries, beside Litestar's own HTTP metrics, at `/metrics`."""

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
    """Count a delivery that was recorded; the reason's own details stay out."""
    reason = (recorded.reason or "").partition(":")[0] if recorded.status == "parked" else ""
    _recorded.labels(event_type, recorded.status, reason).inc()


def failed_delivery(event_type: str) -> None:
    """Count a delivery that could not be stored."""
    _failed.labels(event_type).inc()


def refused_delivery(kind: str) -> None:
    """Count a delivery that was refused."""
    _refused.labels(kind).inc()


def executed_operation(operation: str, outcome: str) -> None:
    """Count something that was asked of credits, by the names of its kind and of its outcome."""
    _operations.labels(operation, outcome).inc()


def show_backlog(backlog: Backlog) -> None:
    """Show how much waits now."""
    _waiting.clear()
    for (status, reason), count in backlog.events.items():
        _waiting.labels(status, reason).set(count)
    _messages.labels("due").set(backlog.messages_due)
    _messages.labels("failed").set(backlog.messages_failed)


class MetricsController(PrometheusController):
    """`GET /metrics`, in the format of Prometheus."""

    path = "/metrics"
    include_in_schema = False  # no client is generated for that format
