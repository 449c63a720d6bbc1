"""Parses times in RFC 3339, for HTTP and the command line alike."""

import re
from datetime import UTC, datetime, timedelta

import attrs

EXAMPLE = "2030-01-31T00:00:00Z"
"""An example for error messages."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@attrs.frozen
class InvalidTime(Exception):
    """A text that is not a valid time."""

    text: str


def time_of(text: str) -> datetime:
    """Return a time with an offset, converted to UTC.

    :raises InvalidTime: if it is malformed; a bare number is.
    """
    try:
        if _RFC_3339.fullmatch(text):
            # Convert to UTC here: Postgres rejects offsets of sixteen hours or more.
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidTime(text)


def time_since(text: str, now: datetime) -> datetime:
    """Return the time of a duration before now (`90m`, `12h`, `3d`, `2w`), a date (its start in UTC), or a time.

    :raises InvalidTime: if it is none of these.
    """
    if matched := _DURATION.fullmatch(text):
        return now - timedelta(**{_UNITS[matched[2]]: int(matched[1])})
    return time_of(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
