"""`POST /webhooks/stripe`: 200 once the event is stored, 400 if Stripe did not send it, 503 to get it again."""

import logging
import re
from typing import Annotated, Any

from litestar import Request, post
from litestar.middleware import DefineMiddleware
from litestar.params import HeaderParameter

from domain.changes.inbox import EventStatus
from domain.payments.reports import InboxEvent
from domain.usecases.receive_webhook import DeliveryNotRecorded, DeliveryRefused
from domain.usecases.recorded import Recorded
from entrypoints.http.dependencies import services_of
from entrypoints.http.openapi import problem_responses
from entrypoints.http.request_bodies import JsonRequest
from entrypoints.http.short_way import Answered, ShortWay
from entrypoints.telemetry import metrics

MAX_BODY_BYTES = 1024 * 1024
"""The maximum body in bytes: four times Stripe's largest event (256 KB)."""

log = logging.getLogger("credence.webhooks")


async def _plain_delivery(request: JsonRequest, _: re.Match[bytes]) -> Answered:
    return await _received(request, request.headers.get("Stripe-Signature")), {}


@post(
    "/webhooks/stripe",
    status_code=200,
    request_max_body_size=MAX_BODY_BYTES,
    tags=["Stripe"],
    responses=problem_responses(400, 408, 413, 503),
    middleware=[DefineMiddleware(ShortWay, answer=_plain_delivery)],
)
async def receive_webhook(
    request: Request[Any, Any, Any],
    signature: Annotated[str | None, HeaderParameter(name="Stripe-Signature")] = None,
) -> dict[str, str]:
    """Record one signed event from Stripe."""
    return await _received(request, signature)


async def _received(request: Request[Any, Any, Any], signature: str | None) -> dict[str, str]:
    services, body = services_of(request.app.state), await request.body()
    try:
        received = await services.webhooks.receive(body, signature)
    except DeliveryRefused as refusal:
        metrics.refused_delivery(refusal.cause)
        log.warning("Refused a webhook", extra={"reason": refusal.cause.reason})
        raise refusal.cause from None
    except DeliveryNotRecorded as failure:
        _report_failure(failure)
        raise failure.cause from None
    metrics.recorded_delivery(received.event.type, received.recorded)
    _log_recorded(received.event, received.recorded)
    return {"status": received.recorded.status}


def _report_failure(failure: DeliveryNotRecorded) -> None:
    event = failure.event
    metrics.failed_delivery(event.type)
    # No traceback for an overloaded ledger: there may be many.
    traced = None if failure.is_overload else failure.cause
    log.error("Failed to handle %s", event.type, extra=_fields(event), exc_info=traced)


def _log_recorded(event: InboxEvent, recorded: Recorded) -> None:
    fields = {**_fields(event), "status": recorded.status, "reason": recorded.reason}
    session, user = recorded.session_id or event.session_id, recorded.user_id
    match recorded.status:
        case EventStatus.APPLIED if session is not None:
            log.info("Successfully processed session %s for user %s", session, user, extra=fields)
        case EventStatus.APPLIED:
            log.info("Applied %s to %s for user %s", event.type, recorded.purchase_id, user, extra=fields)
        case EventStatus.NOTHING_NEW if session is not None:
            log.info("Session %s already processed, skipping", session, extra=fields)
        case EventStatus.PARKED:
            log.warning("Parked %s: %s", event.type, recorded.reason, extra=fields)
        case EventStatus.IGNORED:
            log.info("Ignored %s: %s", event.type, recorded.reason, extra=fields)
        case status:
            log.info("Event %s of type %s: %s", event.id, event.type, status, extra=fields)


def _fields(event: InboxEvent) -> dict[str, str | None]:
    return {"event_id": event.id, "event_type": event.type, "session_id": event.session_id}
