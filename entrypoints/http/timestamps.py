"""Parses the times in a request, and answers 400 for malformed ones."""

from datetime import datetime
from http import HTTPStatus

from litestar.plugins.problem_details import ProblemDetailsException

from entrypoints.http.problems import problem
from entrypoints.times import InvalidTime, time_of


def parse_timestamp(name: str, text: str | None, *, wanted: str | None = None) -> datetime | None:
    """Return the time in the named parameter in UTC, or None if it is omitted.

    Malformed times are answered 400; `wanted` says what is expected.
    """
    if text is None:
        return None
    try:
        return time_of(text)
    except InvalidTime:
        usual = f"{name} must be a time with its offset from UTC, such as 2026-01-31T00:00:00Z (+ is %2B here)."
        raise invalid_timestamp(wanted or usual) from None


def invalid_timestamp(detail: str) -> ProblemDetailsException:
    """Return the problem for a malformed or unsupported time."""
    return problem(HTTPStatus.BAD_REQUEST, "invalid-time", detail)
