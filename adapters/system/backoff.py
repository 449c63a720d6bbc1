"""Pauses of a random length, on the event loop."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import attrs


@attrs.frozen(kw_only=True)
class SystemBackoff:
    """Implements Backoff; `chance` gives a part of 1."""

    chance: Callable[[], float] = random.random
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def sleep(self, *, at_most_milliseconds: int) -> None:
        """Wait a moment: any time up to the longest is as likely."""
        await self.wait(self.chance() * at_most_milliseconds / 1000)
