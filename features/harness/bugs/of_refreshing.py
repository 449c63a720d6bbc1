"""Bugs in the walk by which the cache follows the ledger."""

from collections.abc import Callable
from typing import Any

import attrs

from adapters.memory.walk import MemoryWalk
from domain.usecases.refresh_cache import LEASE_SECONDS, PAGE, CacheRefresher
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker


async def _moved_first(self: CacheRefresher) -> int:
    changed = await self.walk.changed_accounts(PAGE, lease_seconds=LEASE_SECONDS)
    if changed is None:
        return 0
    await self.walk.move_mark(changed)
    await self._store(changed)
    return 1


def _by_number(_: Any) -> Any:
    async def move_mark(self: MemoryWalk, _: Any) -> None:
        self._mark, self._leased_until = len(self._changes), 0.0

    return move_mark


def _by_clock(move_mark: Callable[..., Any]) -> Any:
    async def move_mark_wrong(self: MemoryWalk, walked: Any) -> None:
        reached = self._changes[int(walked.until) - 1][1]
        later = sum(at <= reached for _, at in self._changes)
        await move_mark(self, attrs.evolve(walked, until=str(later)))

    return move_mark_wrong


BUGS = (
    Bug(
        name="the mark moves before the accounts are stored",
        description="A worker that dies between the two has walked past accounts that the cache lacks.",
        case="spend",
        checker=Checker.COPY_STALE,
        patches=(Patch(CacheRefresher, "run_once", lambda _: _moved_first),),
    ),
    Bug(
        name="the mark is the highest number",
        description="What is committed while a page is stored is taken for walked.",
        case="spend",
        checker=Checker.COPY_STALE,
        patches=(Patch(MemoryWalk, "move_mark", _by_number),),
    ),
    Bug(
        name="the mark is a time",
        description="What is committed later, but at a time that was walked, is left out.",
        case="spend",
        checker=Checker.COPY_STALE,
        patches=(Patch(MemoryWalk, "move_mark", _by_clock),),
    ),
)
"""Each of one line."""
