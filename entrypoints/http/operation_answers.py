"""What callers ask of credits, by HTTP: the parts that all such routes share, and how each outcome is told."""

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
from domain.credits.wallets import Insufficient, Unfounded
from domain.decisions.batches import Done, KeyReused, NoSuchHold, NoSuchUser, Outcome, Unsettled
from domain.decisions.operations import Intent
from domain.decisions.spending import AlreadySettled, EndIsOver, TooMuch
from domain.values.plans import MAX_CREDITS
from entrypoints.http.problems import ledger_refused, problem
from entrypoints.http.timestamps import no_moment
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
"""The header by which a repetition is told; the body is the first answer's."""

log = logging.getLogger("credence")


@attrs.frozen(kw_only=True)
class EntryMade:
    """How :class:`domain.decisions.operations.EntryAnswer` reads, which leaves as it was kept; `credits` is signed."""

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
    """How :class:`domain.decisions.operations.HoldAnswer` reads, which leaves as it was kept."""

    id: str
    user_id: str
    status: HoldStatus
    credits: int
    captured: int
    expires_at: datetime
    balance: int
    held: int
    available: int


async def settled(services: Services, intent: Intent, *, status: HTTPStatus = HTTPStatus.OK) -> Response[Any]:
    """Do the intent, and tell its first answer; raises the problem that says why it is not done."""
    outcome = await services.credits.settle(intent)
    metrics.settled_intent(type(intent).__name__, type(outcome).__name__)
    match outcome:
        case Done(answer=answer, repeated=repeated):
            headers = {REPLAYED: "true"} if repeated else {}
            return Response(answer, status_code=status, headers=headers)
        case _:
            _note(intent, outcome)
            raise refusal_of(outcome)


def refusal_of(outcome: Outcome) -> ProblemDetailsException:  # noqa: PLR0911 - one for each outcome
    """How an outcome is told that is not what was asked for."""
    match outcome:
        case Insufficient(available):
            detail = f"Only {available} credits are available."
            return _with(HTTPStatus.PAYMENT_REQUIRED, "not-enough-credits", detail, {"available": available})
        case KeyReused(fields):
            detail = f"The Idempotency-Key was used for another request, which differs in: {', '.join(fields)}."
            return _with(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", detail, {"fields": fields})
        case TooMuch(held=held):
            detail = f"The hold reserves {held} credits; no more can be captured."
            return _with(HTTPStatus.UNPROCESSABLE_ENTITY, "more-than-held", detail, {"held": held})
        case AlreadySettled(status=hold_status, captured=captured):
            detail = f"The hold is already {hold_status}, with {captured} credits captured."
            told = {"hold_status": hold_status.value, "captured": captured}
            return _with(HTTPStatus.CONFLICT, "already-settled", detail, told)
        case EndIsOver():
            return no_moment(END_WANTED)
        case NoSuchHold():
            return problem(HTTPStatus.NOT_FOUND, "unknown-hold", "There is no such hold.")
        case NoSuchUser():
            return problem(HTTPStatus.NOT_FOUND, "unknown-user", "The user is not in public.users.")
        case Unfounded(granted):
            detail = (
                f"The balance differs from the ledger's entries, by which only {granted} credits remain. `credence "
                "check` shows it and `credence sync USER` repairs it; then retry with the same key."
            )
            return _with(HTTPStatus.SERVICE_UNAVAILABLE, "balance-differs", detail, {"granted": granted})
        case Unsettled(is_contended=False):
            return ledger_refused()
        case Unsettled() | Done():
            detail = "The account is too busy. Nothing was changed; please retry with the same key."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "account-busy", detail)


def _note(intent: Intent, outcome: Outcome) -> None:
    """Tell the log what callers can do nothing about."""
    fields = {"intent": type(intent).__name__, "user_id": getattr(intent, "user_id", None)}
    match outcome:
        case Unsettled(cause=cause, is_contended=False):
            log.error("The database refused a change: %s", cause, extra=fields)
        case Unfounded():
            log.error("A balance differs from the ledger's entries", extra=fields)
        case _:
            pass


def _with(status: HTTPStatus, kind: str, detail: str, members: Mapping[str, Any]) -> ProblemDetailsException:
    told = problem(status, kind, detail)
    told.extra = dict(members)
    return told
