"""Runs credit operations for HTTP: what all such routes share, and the response for each outcome."""

import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import attrs
import msgspec
from litestar import Response
from litestar.params import HeaderParameter
from litestar.plugins.problem_details import ProblemDetailsException

from domain.credits.holds import HoldStatus
from domain.credits.ledger import EntryKind
from domain.credits.wallets import BalanceMismatch, Insufficient
from domain.decisions.batches import Done, IdempotencyKeyReused, NoSuchHold, NoSuchUser, NotCommitted, Outcome
from domain.decisions.operations import CreditOperation
from domain.decisions.spending import CaptureExceedsHold, ExpiryInPast, HoldAlreadySettled
from domain.values.plans import MAX_CREDITS
from entrypoints.http.problems import ledger_refused, problem
from entrypoints.http.timestamps import invalid_timestamp
from entrypoints.services import Services
from entrypoints.telemetry import metrics

Credits = Annotated[int, msgspec.Meta(ge=1, le=MAX_CREDITS, description=f"From 1 to {MAX_CREDITS:,}.")]
Text = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*\Z")]
Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[^\x00]*\Z")], Text],
    msgspec.Meta(max_length=20),
]
KEY_PATTERN = r"^[\x21-\x7e]{1,255}\Z"
IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="1 to 255 visible ASCII characters. Repeating a key returns the first answer.",
    ),
]

END_WANTED = "expires_at must be a future time with its offset from UTC, such as 2030-01-31T00:00:00Z."

REPLAYED = "Idempotent-Replayed"
"""The header that marks a repeated response; its body is the first answer's."""

log = logging.getLogger("credence")


@attrs.frozen(kw_only=True)
class EntryMade:
    """The ledger entry that the operation wrote; `credits` is signed."""

    user_id: str
    kind: EntryKind
    credits: int
    version: int
    balance: int
    held: int
    available: int
    created_at: datetime
    expires_at: datetime | None


@attrs.frozen(kw_only=True)
class HoldMade:
    """The hold as the operation left it."""

    id: str
    user_id: str
    status: HoldStatus
    credits: int
    captured: int
    expires_at: datetime
    balance: int
    held: int
    available: int


async def respond_with(
    services: Services, operation: CreditOperation, *, status: HTTPStatus = HTTPStatus.OK
) -> Response[Any]:
    """Respond with the operation's first answer, or raise the problem that says why it was refused."""
    answer, headers = await answer_of(services, operation)
    return Response(answer, status_code=status, headers=headers)


async def answer_of(services: Services, operation: CreditOperation) -> tuple[Any, Mapping[str, str]]:
    """Execute the operation and return its first answer and the headers beside it; raises as `respond_with`."""
    outcome = await services.credits.execute(operation)
    metrics.executed_operation(operation, outcome)
    match outcome:
        case Done(answer=answer, repeated=repeated):
            return answer, ({REPLAYED: "true"} if repeated else {})
        case _:
            _note(operation, outcome)
            raise refusal_of(outcome)


def refusal_of(outcome: Outcome) -> ProblemDetailsException:  # noqa: PLR0911 - one for each outcome
    """Return the problem for an outcome other than success."""
    match outcome:
        case Insufficient(available):
            detail = f"Only {available} credits are available."
            return _with(HTTPStatus.PAYMENT_REQUIRED, "not-enough-credits", detail, {"available": available})
        case IdempotencyKeyReused(fields):
            detail = f"The Idempotency-Key was already used for a request with different: {', '.join(fields)}."
            return _with(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", detail, {"fields": fields})
        case CaptureExceedsHold(held=held):
            detail = f"The hold reserves {held} credits; no more can be captured."
            return _with(HTTPStatus.UNPROCESSABLE_ENTITY, "more-than-held", detail, {"held": held})
        case HoldAlreadySettled(status=hold_status, captured=captured):
            detail = f"The hold is already {hold_status}, with {captured} credits captured."
            given = {"hold_status": hold_status.value, "captured": captured}
            return _with(HTTPStatus.CONFLICT, "already-settled", detail, given)
        case ExpiryInPast():
            return invalid_timestamp(END_WANTED)
        case NoSuchHold():
            return problem(HTTPStatus.NOT_FOUND, "unknown-hold", "There is no such hold.")
        case NoSuchUser():
            return problem(HTTPStatus.NOT_FOUND, "unknown-user", "The user is not in public.users.")
        case BalanceMismatch(granted):
            detail = (
                f"The balance differs from the ledger's entries, by which only {granted} credits remain. `credence "
                "check` shows it and `credence sync USER` repairs it; then retry with the same key."
            )
            return _with(HTTPStatus.SERVICE_UNAVAILABLE, "balance-differs", detail, {"granted": granted})
        case NotCommitted(is_contended=False):
            return ledger_refused()
        case NotCommitted() | Done():
            detail = "The account is too busy. Nothing was changed; retry with the same key."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "account-busy", detail)


def _note(operation: CreditOperation, outcome: Outcome) -> None:
    """Log the outcomes that callers can do nothing about."""
    fields = {"operation": type(operation).__name__, "user_id": getattr(operation, "user_id", None)}
    match outcome:
        case NotCommitted(cause=cause, is_contended=False):
            log.error("The database refused a change: %s", cause, extra=fields)
        case BalanceMismatch():
            log.error("A balance differs from the ledger's entries", extra=fields)
        case _:
            pass


def _with(status: HTTPStatus, kind: str, detail: str, members: Mapping[str, Any]) -> ProblemDetailsException:
    reported = problem(status, kind, detail)
    reported.extra = dict(members)
    return reported
