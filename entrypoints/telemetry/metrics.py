"""The service's own counters, at `/metrics`; each counter has its samples from the start, at 0.

The values of labels are in snake case, as in JSON. An alert compares a counter with what it was before: a sample that
is there only after the first failure hides that one.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import get_args

from litestar.plugins.prometheus import PrometheusController
from prometheus_client import Counter, Gauge, disable_created_metrics

from domain.changes.inbox import EventStatus
from domain.decisions.batches import Outcome
from domain.decisions.operations import CreditOperation, ExpireOverdue
from domain.payments.admission import ParkReason
from domain.upkeep.consistency import Backlog
from domain.usecases.receive_webhook import DeliveryRefused
from domain.usecases.recorded import Recorded

# A second sample of each would say when it began: for all of them when the process did.
disable_created_metrics()  # type: ignore[no-untyped-call]

_recorded = Counter(
    "credence_webhook_events_total",
    "Webhook deliveries recorded, by event type and status.",
    ["type", "status"],
)
_parked = Counter(
    "credence_parked_events_total",
    "Webhook deliveries parked, by reason.",
    ["reason"],
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
_behind = Gauge(
    "credence_cache_behind_seconds",
    "Age of the oldest change that the worker has not stored in the cache; counted every 15 seconds.",
)


def begin(event_types: Iterable[str]) -> None:
    """Show each counter at 0, for the types of events that are read and every other label that it may have."""
    for event_type in event_types:
        _failed.labels(event_type)
        for status in EventStatus:
            if status is not EventStatus.FAILED:  # by retries alone
                _recorded.labels(event_type, status)
    for reason in ParkReason:
        _parked.labels(reason)
    for kind in get_args(DeliveryRefused.__annotations__["cause"]):
        _refused.labels(_snake_case(kind.__name__))
    for operation in set(get_args(CreditOperation)) - {ExpireOverdue}:
        for outcome in get_args(Outcome):
            _operations.labels(_snake_case(operation.__name__), _snake_case(outcome.__name__))


@cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def recorded_delivery(event_type: str, recorded: Recorded) -> None:
    """Count a recorded delivery, labelled by the reason without its details."""
    _recorded.labels(event_type, recorded.status).inc()
    if recorded.status is EventStatus.PARKED:
        _parked.labels((recorded.reason or "").partition(":")[0]).inc()


def failed_delivery(event_type: str) -> None:
    """Count a delivery that was answered 503."""
    _failed.labels(event_type).inc()


def refused_delivery(cause: Exception) -> None:
    """Count a delivery that was answered 400."""
    _refused.labels(_snake_case(type(cause).__name__)).inc()


def executed_operation(operation: CreditOperation, outcome: Outcome) -> None:
    """Count a credit operation and its outcome, by their kinds."""
    _operations.labels(_snake_case(type(operation).__name__), _snake_case(type(outcome).__name__)).inc()


def show_backlog(backlog: Backlog) -> None:
    """Set the gauges of pending events and messages, and of the cache."""
    _waiting.clear()
    for (status, reason), count in backlog.events.items():
        _waiting.labels(status, reason).set(count)
    _messages.labels("due").set(backlog.messages_due)
    _messages.labels("failed").set(backlog.messages_failed)
    _behind.set(backlog.cache_behind_seconds)


class MetricsController(PrometheusController):
    """`GET /metrics`, in Prometheus's text format."""

    path = "/metrics"
    include_in_schema = False  # not in OpenAPI: no client is generated for this format
