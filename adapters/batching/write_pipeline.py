"""Deciding while writing, on the event loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Written = TypeVar("Written")

PARTS_IN_FLIGHT = 2
"""Parts on their way: while one is being written, the client and the network have done with the next."""

MOST = 64
"""Items written at once."""

TURNS = 6
"""Turns of the event loop between steps: a client takes about as many to send a call, and to hear of its answer; and
who is told of what was written asks again by then.
"""


class SystemWritePipeline:
    """Implements WritePipeline."""

    async def run(
        self,
        decide: Callable[[], Sequence[Item]],
        commit: Callable[[Sequence[Item]], Awaitable[Written]],
        acknowledge: Callable[[Written], Awaitable[None]],
    ) -> None:
        """Write what is decided, in its order, a few parts at once, until nothing more is decided."""
        waiting: list[Item] = []
        writing: deque[asyncio.Future[None]] = deque()
        acknowledging: list[asyncio.Future[None]] = []

        async def write_down(items: Sequence[Item]) -> None:
            # The next part does not wait until this one is told: a rival would be there before it.
            acknowledging.append(asyncio.ensure_future(acknowledge(await commit(items))))

        try:
            while True:
                decided = decide()
                waiting += decided
                while writing and writing[0].done():
                    await writing.popleft()
                if waiting and (not writing or len(waiting) >= MOST or not decided):
                    if len(writing) == PARTS_IN_FLIGHT:
                        await writing.popleft()
                    writing.append(asyncio.ensure_future(write_down(waiting)))
                    waiting = []
                elif writing and not decided:
                    await writing.popleft()
                elif not writing and not waiting:
                    if not acknowledging:
                        return
                    await asyncio.wait(acknowledging)  # unlike gather, it does not cancel them where it is cancelled
                    done, acknowledging = acknowledging, []
                    for one in done:
                        one.result()
                for _ in range(TURNS):
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            for part in writing:
                part.cancel()
            raise
        finally:
            # What was sent may be done: it is waited for, and what is written is told, whatever else failed.
            await asyncio.gather(*writing, return_exceptions=True)
            await asyncio.gather(*acknowledging, return_exceptions=True)
