"""Moments that a request names, by RFC 3339: one way to write them, and no number is one."""

import re
from datetime import UTC, datetime
from http import HTTPStatus

from litestar.plugins.problem_details import ProblemDetailsException

from entrypoints.http.problems import problem

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def parse_timestamp(name: str, text: str | None, *, wanted: str | None = None) -> datetime | None:
    """The moment that the parameter of that name says, in UTC; None where it is not given.

    400 if it says none, with what is `wanted`.
    """
    if text is None:
        return None
    try:
        if _RFC_3339.fullmatch(text):
            # Whatever its offset: Postgres takes none of sixteen hours or more.
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    usual = f"{name} must be a time with its offset from UTC, such as 2026-01-31T00:00:00Z (+ is %2B here)."
    raise invalid_timestamp(wanted or usual)


def invalid_timestamp(detail: str) -> ProblemDetailsException:
    """The problem that something is no time that can be worked with."""
    return problem(HTTPStatus.BAD_REQUEST, "invalid-time", detail)
