"""`/ops/events`, `/ops/parked`, `/ops/outbox`, `/ops/backlog`: what is pending, and what an operator does about it."""

from datetime import datetime
from typing import Annotated

import attrs
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from domain.changes.inbox import EventStatus, InboxRecord
from domain.changes.outbox import FailedMessage
from domain.payments.admission import Confirmation
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import WAITING, UnknownEvent
from domain.values.accounts import parse_user_id
from domain.values.plans import PlanId
from entrypoints.hints import hint_for
from entrypoints.http.openapi import problem_responses
from entrypoints.presenting import present
from entrypoints.services import Services

MAX_PAGE = 200

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)]


@attrs.frozen(kw_only=True)
class InboxRow:
    """An event of the inbox; `hint` says what to do about a parked one."""

    id: str
    type: str
    status: EventStatus
    reason: str | None
    attempts: int
    received_at: datetime
    session_id: str | None
    object_id: str | None
    purchase_id: str | None
    hint: str | None


@attrs.frozen
class InboxPage:
    """One page of events, newest first. Pass `next_cursor`, the last event's id, to get the next page."""

    events: tuple[InboxRow, ...]
    next_cursor: str | None


@attrs.frozen(kw_only=True)
class Outcome:
    """The result of processing an event; `credits` is the change of the balance."""

    event: str
    status: EventStatus
    reason: str | None
    user_id: str | None
    purchase_id: str | None
    credits: int


@attrs.frozen(kw_only=True)
class Claim:
    """The user who gets the credits of a parked event; `plan` or `accept_price` if it is parked because of these."""

    user_id: str
    plan: str | None = None
    accept_price: bool = False


@attrs.frozen
class Backlogged:
    """The number of pending events, by status and reason, and of messages, and how far the cache is behind."""

    events: dict[str, int]
    messages_due: int
    messages_failed: int
    cache_behind_seconds: int


@get("/ops/events", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def list_events(
    services: NamedDependency[SkipValidation[Services]],
    status: Annotated[list[EventStatus] | None, QueryParameter()] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=255)] = None,
) -> InboxPage:
    """List the inbox, newest first; `?status=` may be repeated."""
    return await _page(services, frozenset(status or EventStatus), limit, cursor)


@get("/ops/parked", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def list_parked(
    services: NamedDependency[SkipValidation[Services]],
    limit: Limit = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=255)] = None,
) -> InboxPage:
    """List the parked events, newest first, each with what to do about it."""
    return await _page(services, WAITING, limit, cursor)


@post("/ops/parked/retry", status_code=200, tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def retry_parked(services: NamedDependency[SkipValidation[Services]]) -> tuple[Outcome, ...]:
    """Retry a batch of parked events, starting with those that were not retried recently. Repeat to retry all."""
    return tuple(_outcome(one.event.id, one.recorded) for one in await services.inbox_retrier.retry())


@get("/ops/events/{event_id:str}", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def show_event(event_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> InboxRecord:
    """Return one event with the exact body that was signed."""
    return await services.inbox.event(_valid_event_id(event_id))


@post(
    ["/ops/events/{event_id:str}/claim", "/ops/parked/{event_id:str}/claim"],
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 502, 503),
)
async def claim_event(
    event_id: FromPath[str], data: JSONBody[Claim], services: NamedDependency[SkipValidation[Services]]
) -> Outcome:
    """Assign the payment of a parked event to a user. First make sure that they paid it.

    For a payment that named no user, give the Stripe id of its checkout session, payment intent or invoice instead.
    """
    confirmation = Confirmation(
        user_id=parse_user_id(data.user_id),
        plan_id=PlanId(data.plan) if data.plan else None,
        accepts_price=data.accept_price,
    )
    return _outcome(event_id, await services.inbox_retrier.claim(_valid_event_id(event_id), confirmation))


@post(
    "/ops/events/{event_id:str}/replay",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 502, 503),
)
async def replay_event(event_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> Outcome:
    """Process an event again; if it never arrived, it is fetched from Stripe."""
    return _outcome(event_id, await services.inbox_retrier.replay(_valid_event_id(event_id)))


@get("/ops/outbox/failures", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def list_failures(
    services: NamedDependency[SkipValidation[Services]], limit: Limit = 50
) -> tuple[FailedMessage, ...]:
    """List the messages whose delivery failed, newest first."""
    return await services.outbox.failures(limit)


@post(
    "/ops/outbox/{message_id:int}/retry",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 503),
)
async def retry_message(
    message_id: FromPath[int], services: NamedDependency[SkipValidation[Services]]
) -> dict[str, bool]:
    """Queue a failed message for delivery again."""
    return {"retried": await services.outbox.retry(message_id)}


@get("/ops/backlog", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def show_backlog(services: NamedDependency[SkipValidation[Services]]) -> Backlogged:
    """Count the pending events and messages."""
    backlog = await services.monitor.backlog()
    events = {f"{status}: {reason}" if reason else status: count for (status, reason), count in backlog.events.items()}
    return Backlogged(events, backlog.messages_due, backlog.messages_failed, backlog.cache_behind_seconds)


async def _page(services: Services, statuses: frozenset[EventStatus], limit: int, cursor: str | None) -> InboxPage:
    page = await services.inbox.page(statuses=statuses, after=_valid_event_id(cursor) if cursor else None, limit=limit)
    return InboxPage(tuple(map(_row, page.events)), page.next_after)


def _valid_event_id(event_id: str) -> str:
    """Return the event's id; one with a NUL cannot be in the database.

    :raises UnknownEvent: if it contains a NUL.
    """
    if "\0" in event_id:
        raise UnknownEvent(event_id[:255])
    return event_id


def _row(event: InboxRecord) -> InboxRow:
    return present(InboxRow, event, hint=hint_for(event.id, event.reason) if event.status in WAITING else None)


def _outcome(event_id: str, recorded: Recorded) -> Outcome:
    return present(Outcome, recorded, event=event_id)


inbox_handlers = (
    list_events,
    list_parked,
    retry_parked,
    show_event,
    claim_event,
    replay_event,
    list_failures,
    retry_message,
    show_backlog,
)
