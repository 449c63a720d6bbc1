"""Counts events within periods, in this process alone."""

import math
import time
from collections import Counter
from collections.abc import Callable

from domain.ports.coordination import PeriodCount


class MemoryRateCounter:
    """Implements the port RateCounter; all names share one period, so that what is kept of them ends with it.

    `clock` returns the seconds since any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf
        self._counts: Counter[str] = Counter()

    async def count(self, name: str, seconds: int) -> PeriodCount:
        """Count one more, and return how many there are by now in the period."""
        now = self._clock()
        if now >= self._ends:
            self._ends = now + seconds
            self._counts.clear()
        self._counts[name] += 1
        return PeriodCount(self._counts[name], min(seconds, math.ceil(self._ends - now)))
