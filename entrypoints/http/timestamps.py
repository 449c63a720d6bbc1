"""Times that a request names, and how a wrong one is refused."""

from datetime import datetime
from http import HTTPStatus

from litestar.plugins.problem_details import ProblemDetailsException

from entrypoints.http.problems import problem
from entrypoints.times import InvalidTime, time_of


def parse_timestamp(name: str, text: str | None, *, wanted: str | None = None) -> datetime | None:
    """Return the time that the parameter of that name says, in UTC; None where it is not given.

    400 if it says none, with what is `wanted`.
    """
    if text is None:
        return None
    try:
        return time_of(text)
    except InvalidTime:
        usual = f"{name} must be a time with its offset from UTC, such as 2026-01-31T00:00:00Z (+ is %2B here)."
        raise invalid_timestamp(wanted or usual) from None


def invalid_timestamp(detail: str) -> ProblemDetailsException:
    """Return the problem that something is no time that can be worked with."""
    return problem(HTTPStatus.BAD_REQUEST, "invalid-time", detail)
