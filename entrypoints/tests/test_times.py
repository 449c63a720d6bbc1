"""What counts as a time, wherever a caller writes one."""

from datetime import UTC, datetime, timedelta

import pytest

from entrypoints.times import InvalidTime, time_of, time_since

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-05-01T12:00:00Z", "2026-05-01t12:00:00z", "2026-05-01T14:00:00+02:00", "2026-05-01T12:00:00.000Z"]
)
def test_a_time_has_its_offset(text: str) -> None:
    """It is in UTC then."""
    assert NOON == time_of(text)
    assert NOON == time_since(text, NOON + timedelta(days=1))


@pytest.mark.parametrize(
    "text",
    ["", "now", "0", "1777636800", "2026-05-01", "2026-05-01T12:00:00", "2026-05-01 12:00:00Z", "2026-13-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Neither guessed nor taken for local time."""
    with pytest.raises(InvalidTime):
        time_of(text)


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("12h", 12), ("3d", 72), ("2w", 336), ("2026-04-30", 36), ("2026-05-01", 12)]
)
def test_a_time_may_be_so_long_ago_or_a_date(text: str, hours: float) -> None:
    """Where it says since when."""
    assert NOON - timedelta(hours=hours) == time_since(text, NOON)


@pytest.mark.parametrize("text", ["yesterday", "3y", "-3d", "2026-05-01T12:00:00", "2026-02-30"])
def test_what_is_no_time_ago_is_refused(text: str) -> None:
    """A time has to have its offset here too."""
    with pytest.raises(InvalidTime):
        time_since(text, NOON)
