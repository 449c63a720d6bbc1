"""Maps each error to a status and an `application/problem+json` response (RFC 9457) without secrets."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin

from domain.ports.cache import CacheUnavailable
from domain.ports.deployment import SyntheticUsersRefused
from domain.ports.ledger import LedgerBusy, LedgerUnavailable, LedgerUntouched
from domain.ports.payment_provider import (
    CheckoutDiffers,
    InvalidBody,
    InvalidSignature,
    PaymentsRefused,
    PaymentsUnavailable,
)
from domain.upkeep.synthetic_users import MAX_USERS, InvalidTag, WrongNumberOfUsers
from domain.usecases.check_out import UnknownSession
from domain.usecases.limit_rates import RateExceeded
from domain.usecases.read_account import UnknownUser
from domain.usecases.read_hold import UnknownHold
from domain.usecases.record_payment import CommitRejected
from domain.usecases.retry_inbox import NoSale, NotClaimable, UnknownEvent
from domain.usecases.synthetic_users import LiveDeployment
from domain.values.accounts import InvalidUserId
from entrypoints.auth.authenticator import Forbidden, MalformedHeader, Unauthenticated
from entrypoints.auth.jwks import AuthUnavailable
from entrypoints.hints import unclaimable
from entrypoints.http.openapi import PROBLEM
from entrypoints.http.selling_problems import SELLING_REFUSALS
from entrypoints.http.validation_messages import humanize
from entrypoints.telemetry.requests import current_request

RETRY_AFTER_SECONDS = "5"
_TO_RETRY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)

log = logging.getLogger("credence")


class Problem(ProblemDetailsException):
    """An error answer that names the request which it answers."""

    def to_response(self, request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """Return the answer."""
        response = super().to_response(request)
        response.content["request_id"] = current_request.get()
        return response


def problem(status: HTTPStatus, kind: str, detail: str, *, retry_after: str = RETRY_AFTER_SECONDS) -> Problem:
    """Return a problem; `kind` is the stable name that programs branch on."""
    headers = {"Retry-After": retry_after} if status in _TO_RETRY else None
    if status is HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer"}
    if status is HTTPStatus.REQUEST_TIMEOUT:
        headers = {"Connection": "close"}
    return Problem(
        status_code=status, title=status.phrase, type_=f"urn:credence:{kind}", detail=detail, headers=headers
    )


def raw_problem(status: HTTPStatus, kind: str, detail: str, request_id: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of a refusal, for where there is no request of Litestar's to answer."""
    members = {"status": status.value, "type": f"urn:credence:{kind}", "title": status.phrase, "detail": detail}
    body = json.dumps({**members, "request_id": request_id}).encode()
    headers = [(b"content-type", PROBLEM.encode()), (b"content-length", b"%d" % len(body))]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
    return headers, body


_REFUSALS: Mapping[type[Exception], tuple[HTTPStatus, str, str]] = {
    **SELLING_REFUSALS,
    InvalidBody: (HTTPStatus.BAD_REQUEST, "invalid-body", "Invalid body: {0.reason}."),
    InvalidUserId: (HTTPStatus.BAD_REQUEST, "invalid-user-id", "user_id must be a UUID."),
    MalformedHeader: (HTTPStatus.BAD_REQUEST, "malformed-header", "{0.name} must be {0.wanted}."),
    Unauthenticated: (HTTPStatus.UNAUTHORIZED, "unauthenticated", "{0.reason}"),
    Forbidden: (HTTPStatus.FORBIDDEN, "forbidden", "{0.reason}"),
    UnknownUser: (HTTPStatus.NOT_FOUND, "unknown-user", "The user is not in public.users."),
    UnknownSession: (HTTPStatus.NOT_FOUND, "unknown-session", "You have no such checkout session."),
    UnknownHold: (HTTPStatus.NOT_FOUND, "unknown-hold", "There is no such hold."),
    UnknownEvent: (HTTPStatus.NOT_FOUND, "unknown-event", "There is no such event."),
    NotClaimable: (
        HTTPStatus.CONFLICT,
        "not-claimable",
        "The event is {0.status}, or not a sale; GET /ops/parked lists what can be claimed.",
    ),
    InvalidTag: (
        HTTPStatus.BAD_REQUEST,
        "invalid-tag",
        "A tag must be 1 to 40 lower-case letters, digits and hyphens, and must not start with a hyphen.",
    ),
    WrongNumberOfUsers: (
        HTTPStatus.BAD_REQUEST,
        "wrong-number-of-users",
        f"count must be between 1 and {MAX_USERS}.",
    ),
    LiveDeployment: (
        HTTPStatus.FORBIDDEN,
        "live-deployment",
        "This deployment takes real money, so synthetic users are refused. Use a staging deployment.",
    ),
    SyntheticUsersRefused: (
        HTTPStatus.CONFLICT,
        "synthetic-users-refused",
        "The database refused synthetic users; none was created: {0.cause}.",
    ),
    CacheUnavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "cache-unavailable",
        "Redis could not be reached. The ledger is not affected; try again.",
    ),
    RateExceeded: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        "Too many such requests within a minute; try again in {0.retry_after_seconds} seconds.",
    ),
    PaymentsUnavailable: (
        HTTPStatus.BAD_GATEWAY,
        "payments-unavailable",
        "Stripe could not be reached; try again.",
    ),
    PaymentsRefused: (HTTPStatus.BAD_GATEWAY, "payments-refused", "Stripe refused this; the service's log says why."),
    CheckoutDiffers: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "key-reused",
        "The Idempotency-Key was already used for a different checkout, for example with another email or price. "
        "Use a new key.",
    ),
    AuthUnavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "auth-unavailable",
        "The keys that verify access tokens could not be fetched, so this token was neither accepted nor rejected; "
        "try again.",
    ),
    LedgerUnavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ledger-unavailable",
        "The ledger did not answer. A change may have been made all the same: try again, with the same Idempotency-Key "
        "if there was one, and it is made once.",
    ),
    LedgerUntouched: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ledger-unavailable",
        "The ledger could not be reached, or accepts no writes now. Nothing was changed; try again.",
    ),
    LedgerBusy: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ledger-busy",
        "The ledger is overloaded. Nothing was changed; try again.",
    ),
    CommitRejected: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ledger-refused",
        "The database refused the change. Nothing was changed; the reason is in the service's log.",
    ),
}
"""The status, the stable name and the detail of each error; the detail is formatted with the exception's fields."""


def ledger_refused() -> ProblemDetailsException:
    """Return the problem for a change that the database refused; the code that raises it logs the reason."""
    return problem(*_REFUSALS[CommitRejected])


def _problem_of(error: Exception) -> ProblemDetailsException:
    status, kind, detail = next(_REFUSALS[one] for one in type(error).__mro__ if one in _REFUSALS)
    retry_after = RETRY_AFTER_SECONDS
    if isinstance(error, PaymentsUnavailable):
        log.warning("Stripe was needed: %s", error.cause)
    if isinstance(error, PaymentsRefused):
        log.error("Stripe refused a request: %s", error.cause)
    if isinstance(error, LedgerBusy | RateExceeded):
        retry_after = str(error.retry_after_seconds)
    return problem(status, kind, detail.format(error), retry_after=retry_after)


def _invalid_signature(error: InvalidSignature) -> ProblemDetailsException:
    is_missing = error.reason == "missing"
    detail = "Missing Stripe-Signature header." if is_missing else f"Invalid Stripe-Signature header: {error.reason}."
    return problem(HTTPStatus.BAD_REQUEST, "invalid-signature", detail)


def _not_claimable(error: NoSale) -> ProblemDetailsException:
    detail = f"The object cannot be claimed: {unclaimable(error.object_id, error.reason)}."
    return problem(HTTPStatus.CONFLICT, "not-claimable", detail)


def problems_plugin() -> ProblemDetailsPlugin:
    """Return Litestar's plugin for problem details, which handles our errors and Litestar's own."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                **dict.fromkeys(_REFUSALS, _problem_of),
                InvalidSignature: _invalid_signature,
                NoSale: _not_claimable,
                HTTPException: _of_framework,
            },
        )
    )


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Return status 500 for an unexpected error; the traceback goes to the log only."""
    log.error("Unexpected error", exc_info=error, extra={"path": request.url.path, "method": request.method})
    detail = "An unexpected error occurred; see the service's log."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail).to_response(request)


def _of_framework(error: HTTPException) -> ProblemDetailsException:
    status = HTTPStatus(error.status_code)
    wrong = _humanize(error.extra)
    reported = problem(status, status.phrase.lower().replace(" ", "-"), _summed_up(wrong) or error.detail)
    reported.extra = wrong
    reported.headers = {**(reported.headers or {}), **(error.headers or {})} or None
    return reported


def _humanize(extra: Any) -> Any:
    """Return the extra that Litestar adds: for a bad request, a list of fields and their problems."""
    if not isinstance(extra, list):
        return extra
    return [_of_field(one) if "message" in one else one for one in extra]


def _of_field(wrong: dict[str, Any]) -> dict[str, Any]:
    # Litestar calls the body `data`; callers don't know that name.
    fields = {**wrong, "message": humanize(wrong["message"])}
    return {**fields, "key": "body"} if wrong.get("key") == "data" else fields


def _summed_up(wrong: Any) -> str:
    """Return all problems in one line; an empty string if `extra` is not such a list."""
    if not isinstance(wrong, list):
        return ""
    found = [" ".join(filter(None, (one.get("key"), one["message"]))) for one in wrong if "message" in one]
    return "".join(f"{one}. " for one in found).rstrip()
