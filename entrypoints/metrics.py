"""What is counted of deliveries, beside Litestar's own HTTP metrics, at `/metrics`."""

from litestar.plugins.prometheus import PrometheusConfig, PrometheusController
from prometheus_client import Counter, Gauge

from domain.commits import Backlog
from domain.usecases.record_payment import Recorded

_recorded = Counter(
    "credence_webhook_events_total",
    "Webhook deliveries that were recorded, by type, what became of them, and why.",
    ["type", "status", "reason"],
)
_failed = Counter(
    "credence_webhook_failures_total",
    "Webhook deliveries that could not be stored, answered 503.",
    ["type"],
)
_refused = Counter(
    "credence_webhook_refusals_total",
    "Webhook deliveries that were refused, answered 400.",
    ["kind"],
)

_settled = Counter(
    "credence_intents_total",
    "Spends, holds, captures, voids, grants and adjustments that were asked for, by what came of them.",
    ["intent", "outcome"],
)

_waiting = Gauge(
    "credence_waiting_events",
    "Events of the inbox that wait now, by what became of them so far, and why; counted by the worker.",
    ["status", "reason"],
)
_messages = Gauge(
    "credence_outbox_messages",
    "Messages of the outbox that are to be delivered, and those that were given up; counted by the worker.",
    ["state"],
)


def http_metrics() -> PrometheusConfig:
    """Litestar's request metrics, by route and not by path, so that ids make no series."""
    return PrometheusConfig(app_name="credence", prefix="credence", group_path=True)


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


def settled_intent(intent: str, outcome: str) -> None:
    """Count something that was asked of credits, by the names of its kind and of its outcome."""
    _settled.labels(intent, outcome).inc()


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
