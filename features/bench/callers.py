"""Closed loops of callers: each asks again as soon as it is answered."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from features.bench.figures import Measured, latency_of

Call = Callable[[], Awaitable[object]]


async def keep_asking(call: Call, *, callers: int, seconds: float) -> Measured:
    """The rate at which `callers` at once are answered, after a fifth of the time to warm up."""
    took: list[float] = []
    begins = time.perf_counter() + seconds / 5
    ends = begins + seconds

    async def ask() -> None:
        while True:
            asked = time.perf_counter()
            if asked >= ends:
                return
            await call()
            if asked >= begins:
                took.append(time.perf_counter() - asked)

    await asyncio.gather(*(ask() for _ in range(callers)))
    spent = time.perf_counter() - begins
    return Measured(rate=len(took) / spent, latency=latency_of(took, at_least=spent))


async def alternating(first: Call, second: Call, *, seconds: float) -> tuple[Measured, Measured]:
    """Two calls by one caller, in turns, so that whatever else the machine does happens to both alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for call in (first, second):
        await call()
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for call, durations in zip((first, second), took, strict=True):
            asked = time.perf_counter()
            await call()
            durations.append(time.perf_counter() - asked)
    return tuple(  # type: ignore[return-value]
        Measured(rate=len(durations) / (sum(durations) or math.inf), latency=latency_of(durations, at_least=seconds))
        for durations in took
    )
