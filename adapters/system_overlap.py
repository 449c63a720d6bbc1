"""Deciding while writing, on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from domain.commits import Change, CommitResult

MOST = 128
"""Changes written at once."""

TURNS = 6
"""Turns of the event loop between steps: a client takes about as many to send a call, and to hear of its answer."""


class SystemOverlap:
    """Implements Overlap."""

    async def write(
        self,
        commit: Callable[[Sequence[Change]], Awaitable[Sequence[CommitResult]]],
        decided: Iterable[Sequence[Change]],
    ) -> Sequence[CommitResult]:
        """Commit what is decided, in its order, never two parts at once; one result per change."""
        results: list[CommitResult] = []
        waiting: list[Change] = []
        writing: asyncio.Task[None] | None = None

        async def write_down(changes: Sequence[Change]) -> None:
            results.extend(await commit(changes))

        try:
            for changes in decided:
                waiting += changes
                if writing is not None and (writing.done() or len(waiting) >= MOST):
                    await writing
                    writing = None
                if writing is None:
                    writing = asyncio.get_running_loop().create_task(write_down(waiting))
                    waiting = []
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            if writing is not None:
                await writing
            if waiting:
                await write_down(waiting)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        return results
