"""Deciding while writing, on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

MOST = 128
"""Items written at once."""

TURNS = 6
"""Turns of the event loop between steps: a client takes about as many to send a call, and to hear of its answer; and
who is told of what was written asks again by then.
"""


class SystemOverlap:
    """Implements Overlap."""

    async def write(
        self, write: Callable[[Sequence[Item]], Awaitable[None]], decide: Callable[[], Sequence[Item]]
    ) -> None:
        """Write what is decided, in its order, never two parts at once, until nothing more is decided."""
        waiting: list[Item] = []
        writing: asyncio.Future[None] | None = None
        try:
            while True:
                decided = decide()
                waiting += decided
                if writing is None and not waiting:
                    return
                if writing is None or writing.done() or len(waiting) >= MOST or not decided:
                    if writing is not None:
                        await writing
                    writing = asyncio.ensure_future(write(waiting)) if waiting else None
                    waiting = []
                for _ in range(TURNS):
                    await asyncio.sleep(0)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
