"""Counts of what happens within a period, in this process alone."""

from collections import Counter


class MemoryRateCounter:
    """Implements the port RateCounter; it remembers one period, the last that was counted in."""

    def __init__(self) -> None:
        self._period = 0
        self._counts: Counter[str] = Counter()

    async def count(self, name: str, period: int) -> int:
        """Count one more, and return how many there are by now in the period."""
        if period != self._period:
            self._period = period
            self._counts.clear()
        self._counts[name] += 1
        return self._counts[name]
