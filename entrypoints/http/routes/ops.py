"""`/ops/...`: what an operator sees of the inbox, the outbox and the accounts, and does about it."""

from datetime import datetime
from typing import Annotated, Any

import attrs
from litestar import Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from domain.changes.changes import EventStatus, FailedMessage, InboxRecord, Inconsistency
from domain.payments.admission import Confirmation
from domain.usecases.audit_cache import Disagreement
from domain.usecases.read_account import QuotaSource, UnknownUser
from domain.usecases.record_payment import Recorded
from domain.usecases.retry_inbox import WAITING, UnknownEvent
from domain.values.accounts import parse_user_id
from domain.values.plans import PlanId
from entrypoints.auth.authenticator import Forbidden, Operator
from entrypoints.hints import hint_for
from entrypoints.http.dependencies import caller_of, services_of
from entrypoints.http.openapi import OPERATORS, problem_responses
from entrypoints.http.routes.accounts import QuotaAnswer, quota_answer
from entrypoints.http.routes.ops_grants import gift_handlers
from entrypoints.http.routes.ops_synthetic_users import synthetic_user_handlers
from entrypoints.services import Services

MAX_PAGE = 200

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)]


@attrs.frozen(kw_only=True)
class InboxRow:
    """An event of the inbox; `hint` says what may be done about one that waits."""

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
    """Events newest first; `next_cursor` is the last one's id, and asks for those that follow."""

    events: tuple[InboxRow, ...]
    next_cursor: str | None


@attrs.frozen(kw_only=True)
class Outcome:
    """What a decision came to; `credits` is by how much balances changed."""

    event: str
    status: EventStatus
    reason: str | None
    user_id: str | None
    purchase_id: str | None
    credits: int


@attrs.frozen(kw_only=True)
class Claim:
    """Who gets the credits of a parked event; a plan, or leave to ignore the price, where these were the cause."""

    user_id: str
    plan: str | None = None
    accept_price: bool = False


@attrs.frozen(kw_only=True)
class Consistency:
    """What disagrees: the ledger with itself, and Redis with the ledger."""

    consistent: bool
    ledger: tuple[Inconsistency, ...]
    cache: tuple[Disagreement, ...]


@attrs.frozen
class Backlogged:
    """How many events wait, by status and reason, and how many messages."""

    events: dict[str, int]
    messages_due: int
    messages_failed: int


@get("/events", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def list_events(
    services: NamedDependency[SkipValidation[Services]],
    status: Annotated[list[EventStatus] | None, QueryParameter()] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=255)] = None,
) -> InboxPage:
    """The inbox, newest first; `?status=` once or several times."""
    return await _page(services, frozenset(status or EventStatus), limit, cursor)


@get("/parked", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def list_parked(
    services: NamedDependency[SkipValidation[Services]],
    limit: Limit = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=255)] = None,
) -> InboxPage:
    """The events that wait, newest first, and what may be done about each."""
    return await _page(services, WAITING, limit, cursor)


@post("/parked/retry", status_code=200, tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def retry_parked(services: NamedDependency[SkipValidation[Services]]) -> tuple[Outcome, ...]:
    """Decide again about a batch of the events that wait; each call goes on with those that were not tried of late."""
    return tuple(_outcome(one.event.id, one.recorded) for one in await services.inbox_retrier.retry())


@get("/events/{event_id:str}", tags=["Operators"], responses=problem_responses(400, 401, 403, 404, 503))
async def show_event(event_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> InboxRecord:
    """One event, with the exact body that was signed."""
    found = await services.inbox.find(_valid_event_id(event_id))
    if found is None:
        raise UnknownEvent(event_id[:255])
    return found


@post(
    ["/events/{event_id:str}/claim", "/parked/{event_id:str}/claim"],
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 409, 413, 502, 503),
)
async def claim_event(
    event_id: FromPath[str], data: JSONBody[Claim], services: NamedDependency[SkipValidation[Services]]
) -> Outcome:
    """Give the payment of a parked event to a user, having made sure that it is theirs.

    Instead of the event's id, that of a checkout session, payment intent or invoice at Stripe may stand: so a payment
    is given that named nobody.
    """
    confirmation = Confirmation(
        user_id=parse_user_id(data.user_id),
        plan_id=PlanId(data.plan) if data.plan else None,
        accepts_price=data.accept_price,
    )
    return _outcome(event_id, await services.inbox_retrier.claim(_valid_event_id(event_id), confirmation))


@post(
    "/events/{event_id:str}/replay",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 502, 503),
)
async def replay_event(event_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> Outcome:
    """Decide about an event once more; one that never arrived is fetched from Stripe."""
    return _outcome(event_id, await services.inbox_retrier.replay(_valid_event_id(event_id)))


@get("/outbox/failures", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def list_failures(
    services: NamedDependency[SkipValidation[Services]], limit: Limit = 50
) -> tuple[FailedMessage, ...]:
    """Messages whose delivery was given up, newest first."""
    return await services.outbox.failures(limit)


@post(
    "/outbox/{message_id:int}/retry",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 503),
)
async def retry_message(
    message_id: FromPath[int], services: NamedDependency[SkipValidation[Services]]
) -> dict[str, bool]:
    """Let a message that was given up be delivered after all."""
    return {"retried": 0 < message_id < 2**63 and await services.outbox.retry(message_id)}


@get("/consistency", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def check_consistency(services: NamedDependency[SkipValidation[Services]]) -> Consistency:
    """The ledger's check of itself, and Redis held against it. Reads every entry: not for every minute."""
    wrong, stale = await services.audit.inconsistencies(), await services.auditor.disagreements()
    return Consistency(consistent=not wrong and not stale, ledger=wrong, cache=stale)


@get("/backlog", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def show_backlog(services: NamedDependency[SkipValidation[Services]]) -> Backlogged:
    """How much waits."""
    backlog = await services.backlogs.backlog()
    events = {f"{status}: {reason}" if reason else status: count for (status, reason), count in backlog.events.items()}
    return Backlogged(events, backlog.messages_due, backlog.messages_failed)


@post(
    "/accounts/{user_id:str}/sync",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 503),
)
async def sync_account(user_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> QuotaAnswer:
    """Recompute the balance from the ledger's entries, and write it to Redis."""
    named = parse_user_id(user_id)
    account = await services.auditor.sync(named)
    if account is None:
        raise UnknownUser(named)
    return quota_answer(account, QuotaSource.LEDGER)


async def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let nobody but an operator below `/ops`.

    :raises Forbidden: if the caller is somebody else.
    """
    caller = await caller_of(connection, services_of(connection.app.state))
    if not isinstance(caller, Operator):
        raise Forbidden("Only an operator can do this: show CREDENCE_OPERATOR_KEY as a Bearer token.")


async def _page(services: Services, statuses: frozenset[EventStatus], limit: int, cursor: str | None) -> InboxPage:
    before = await services.inbox.find(_valid_event_id(cursor)) if cursor else None
    if cursor and before is None:
        raise UnknownEvent(cursor)
    found = await services.inbox.page(statuses=statuses, before=before, limit=limit + 1)
    rows = tuple(map(_row, found[:limit]))
    return InboxPage(rows, rows[-1].id if len(found) > limit else None)


def _valid_event_id(event_id: str) -> str:
    """The event's id; no database has one with a NUL.

    :raises UnknownEvent: if it has one.
    """
    if "\0" in event_id:
        raise UnknownEvent(event_id[:255])
    return event_id


def _row(event: InboxRecord) -> InboxRow:
    return InboxRow(
        id=event.id,
        type=event.type,
        status=event.status,
        reason=event.reason,
        attempts=event.attempts,
        received_at=event.received_at,
        session_id=event.session_id,
        object_id=event.object_id,
        purchase_id=event.purchase_id,
        hint=hint_for(event.id, event.reason) if event.status in WAITING else None,
    )


def _outcome(event_id: str, recorded: Recorded) -> Outcome:
    return Outcome(
        event=event_id,
        status=recorded.status,
        reason=recorded.reason,
        user_id=recorded.user_id,
        purchase_id=recorded.purchase_id,
        credits=recorded.credits,
    )


ops_router = Router(
    path="/ops",
    guards=[operators_only],
    security=OPERATORS,
    route_handlers=[
        list_events,
        list_parked,
        retry_parked,
        show_event,
        claim_event,
        replay_event,
        list_failures,
        retry_message,
        check_consistency,
        show_backlog,
        sync_account,
        *gift_handlers,
        *synthetic_user_handlers,
    ],
)
