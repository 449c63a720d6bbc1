"""Which status each refusal has, and how it is told: `application/problem+json` (RFC 9457), nothing secret."""

import logging
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.plugins.problem_details import (
    ProblemDetailsConfig,
    ProblemDetailsException,
    ProblemDetailsPlugin,
)

from domain.ports import (
    CacheUnavailable,
    CheckoutDiffers,
    InvalidBody,
    InvalidSignature,
    LedgerBusy,
    LedgerUnavailable,
    PaymentsUnavailable,
    SyntheticUsersRefused,
)
from domain.upkeep.synthetic_users import MAX_USERS, InvalidTag, WrongNumberOfUsers
from domain.usecases.check_out import AlreadySubscribed, UnknownPlan, UnknownSession
from domain.usecases.read_account import UnknownUser
from domain.usecases.record_payment import CommitRejected
from domain.usecases.retry_inbox import NoSale, NotClaimable, UnknownEvent
from domain.usecases.synthetic_users import LiveDeployment
from domain.values.accounts import InvalidUserId
from entrypoints.auth.authenticator import AuthUnavailable, Forbidden, MalformedHeader, Unauthenticated
from entrypoints.hints import unclaimable
from entrypoints.http.validation_messages import humanize

RETRY_AFTER_SECONDS = "5"

log = logging.getLogger("credence")


def problem(
    status: HTTPStatus, kind: str, detail: str, *, retry_after: str = RETRY_AFTER_SECONDS
) -> ProblemDetailsException:
    """A refusal as it is told; `kind` is the stable name that a program branches on."""
    headers = {"Retry-After": retry_after} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    if status is HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer"}
    return ProblemDetailsException(
        status_code=status, title=status.phrase, type_=f"urn:credence:{kind}", detail=detail, headers=headers
    )


def ledger_refused() -> ProblemDetailsException:
    """How a change is told that the database refuses, whoever asked for it; whoever raises it logs why."""
    detail = "The database refused the change, and nothing is done; why is in the service's log."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "ledger-refused", detail)


def _to_problem(error: Exception) -> ProblemDetailsException:  # noqa: PLR0911, PLR0912 - one line for each refusal
    match error:
        case InvalidSignature(reason):
            return problem(HTTPStatus.BAD_REQUEST, "invalid-signature", f"The signature is refused: {reason}.")
        case InvalidBody(reason):
            return problem(HTTPStatus.BAD_REQUEST, "invalid-body", f"The body is refused: {reason}.")
        case InvalidUserId():
            return problem(
                HTTPStatus.BAD_REQUEST,
                "invalid-user-id",
                "Name the user by their uuid: ?user_id=<uuid>, or user_id in the body.",
            )
        case MalformedHeader(name):
            return problem(HTTPStatus.BAD_REQUEST, "malformed-header", f"The header {name} can't be read.")
        case Unauthenticated(reason):
            return problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", reason)
        case Forbidden(reason):
            return problem(HTTPStatus.FORBIDDEN, "forbidden", reason)
        case UnknownUser():
            return problem(HTTPStatus.NOT_FOUND, "unknown-user", "There is no such user in public.users.")
        case UnknownPlan():
            return problem(HTTPStatus.NOT_FOUND, "unknown-plan", "No such plan is on sale; GET /plans lists them.")
        case AlreadySubscribed():
            detail = "The account has this free plan already; nobody has it twice at a time."
            return problem(HTTPStatus.CONFLICT, "already-subscribed", detail)
        case UnknownSession():
            return problem(HTTPStatus.NOT_FOUND, "unknown-session", "You have no such checkout session.")
        case UnknownEvent():
            return problem(HTTPStatus.NOT_FOUND, "unknown-event", "There is no such event.")
        case NoSale(object_id, reason):
            detail = f"It can't be claimed: {unclaimable(object_id, reason)}."
            return problem(HTTPStatus.CONFLICT, "not-claimable", detail)
        case NotClaimable(_, status):
            detail = f"The event is {status}, or about no sale; GET /ops/parked lists what can be claimed."
            return problem(HTTPStatus.CONFLICT, "not-claimable", detail)
        case InvalidTag():
            detail = "A tag has 1 to 40 characters: lower-case letters, digits and hyphens, no hyphen first."
            return problem(HTTPStatus.BAD_REQUEST, "invalid-tag", detail)
        case WrongNumberOfUsers():
            detail = f"A rehearsal has between 1 and {MAX_USERS} users."
            return problem(HTTPStatus.BAD_REQUEST, "wrong-number-of-users", detail)
        case LiveDeployment():
            detail = "This deployment moves real money: there are no synthetic users here. Rehearse at a staging one."
            return problem(HTTPStatus.FORBIDDEN, "live-deployment", detail)
        case SyntheticUsersRefused(cause):
            detail = f"The database refuses synthetic users, and none was made: {cause}."
            return problem(HTTPStatus.CONFLICT, "synthetic-users-refused", detail)
        case CacheUnavailable():
            detail = "Redis could not be reached; the ledger is not concerned. Please try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "cache-unavailable", detail)
        case PaymentsUnavailable():
            return problem(
                HTTPStatus.BAD_GATEWAY, "payments-unavailable", "Stripe could not be asked; please try again."
            )
        case CheckoutDiffers():
            detail = (
                "The Idempotency-Key opened a checkout that differs from this one, "
                "in the customer's email or the plan's price, say. Take a new key."
            )
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", detail)
        case AuthUnavailable():
            detail = "The keys that access tokens are checked with could not be fetched; please try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "auth-unavailable", detail)
        case LedgerBusy(retry_after_seconds=seconds):
            detail = "More is asked of the ledger than it keeps up with; nothing of this was done, please try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "ledger-busy", detail, retry_after=str(seconds))
        case CommitRejected():
            return ledger_refused()
        case _:
            detail = "The ledger could not be reached; nothing was lost, please try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "ledger-unavailable", detail)


_REFUSALS: tuple[type[Exception], ...] = (
    InvalidSignature,
    InvalidBody,
    InvalidUserId,
    MalformedHeader,
    Unauthenticated,
    Forbidden,
    UnknownUser,
    UnknownPlan,
    AlreadySubscribed,
    UnknownSession,
    UnknownEvent,
    NotClaimable,
    NoSale,
    InvalidTag,
    WrongNumberOfUsers,
    LiveDeployment,
    SyntheticUsersRefused,
    CacheUnavailable,
    PaymentsUnavailable,
    CheckoutDiffers,
    AuthUnavailable,
    LedgerUnavailable,
    LedgerBusy,
    CommitRejected,
)


def problems_plugin() -> ProblemDetailsPlugin:
    """Litestar's plugin, told of every refusal of ours and of Litestar's own."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                **dict.fromkeys(_REFUSALS, _to_problem),
                HTTPException: _of_framework,
            },
        )
    )


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """A fault of ours: the traceback goes to the log, nothing of it to the caller."""
    log.error("Unexpected error", exc_info=error, extra={"path": request.url.path, "method": request.method})
    detail = "Something went wrong on our side; it is in the log."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail).to_response(request)


def _of_framework(error: HTTPException) -> ProblemDetailsException:
    status = HTTPStatus(error.status_code)
    wrong = _humanize(error.extra)
    reported = problem(status, status.phrase.lower().replace(" ", "-"), _summed_up(wrong) or error.detail)
    reported.extra = wrong
    reported.headers = {**(reported.headers or {}), **(error.headers or {})} or None
    return reported


def _humanize(extra: Any) -> Any:
    """What Litestar adds, which for a bad request is a list of what is wrong with which field."""
    if not isinstance(extra, list):
        return extra
    return [_of_field(one) if "message" in one else one for one in extra]


def _of_field(wrong: dict[str, Any]) -> dict[str, Any]:
    # To Litestar a body is the parameter `data`, which callers don't know of.
    fields = {**wrong, "message": humanize(wrong["message"])}
    return {**fields, "key": "body"} if wrong.get("key") == "data" else fields


def _summed_up(wrong: Any) -> str:
    """All that is wrong, in one line; nothing where it is no such list."""
    if not isinstance(wrong, list):
        return ""
    found = [" ".join(filter(None, (one.get("key"), one["message"]))) for one in wrong if "message" in one]
    return "".join(f"{one}. " for one in found).rstrip()
