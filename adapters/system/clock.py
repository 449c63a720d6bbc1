"""The time, by the machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return now, in UTC, aware."""
        return datetime.now(UTC)
