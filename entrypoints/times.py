"""Times as callers write them, by RFC 3339: one parser for HTTP and the command line."""

import re
from datetime import UTC, datetime, timedelta

import attrs

EXAMPLE = "2030-01-31T00:00:00Z"
"""How a time may be written."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@attrs.frozen
class InvalidTime(Exception):
    """A text that is no time."""

    text: str


def time_of(text: str) -> datetime:
    """Return the time that a text says with its offset, in UTC.

    :raises InvalidTime: if it says none; a number is none.
    """
    try:
        if _RFC_3339.fullmatch(text):
            # Whatever its offset: Postgres takes none of sixteen hours or more.
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidTime(text)


def time_since(text: str, now: datetime) -> datetime:
    """Return the time that a text says: so long ago (`90m`, `12h`, `3d`, `2w`), a date's begin in UTC, or a time.

    :raises InvalidTime: if it says none.
    """
    if matched := _DURATION.fullmatch(text):
        return now - timedelta(**{_UNITS[matched[2]]: int(matched[1])})
    return time_of(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
