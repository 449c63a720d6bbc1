"""Turns at accounts that several processes want at once: locks in Redis, `turn:{user_id}`, each for a second at most.

They only keep processes out of each other's way. Nothing is wrong without them: the ledger guards accounts.
"""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence

import attrs
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from adapters.redis.client import CACHE_ERRORS, SharedRedis
from domain.values.accounts import UserId

TURN_SECONDS = 1.0
"""A turn is over by then, whatever became of the process that has it."""

WAITING_SECONDS = 2.0
"""Nobody waits longer for a turn."""

LOOK_SECONDS = 0.002
"""Between looks whether a turn is over. Who had it leaves twice as long to others."""

MINDFUL_SECONDS = 2.0
"""Turns are taken at an account for so long after others were met there."""

BLIND_SECONDS = 10.0
"""So long nothing is asked of a Redis that did not answer: each time would take as long again."""


@attrs.define
class _Shared:
    """An account where others were met."""

    until: float
    left_at: float = -1.0
    """When the last turn at it was over."""


class RedisTurns:
    """Implements Turns; where Redis does not answer, each process goes ahead."""

    def __init__(self, redis: SharedRedis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._shared: dict[UserId, _Shared] = {}
        self._blind_until = -1.0
        self._name = uuid.uuid4().hex
        self._turns = itertools.count()
        self._looking: set[asyncio.Task[None]] = set()

    def shared(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        """Those of the accounts where others were met within the last seconds."""
        if not self._shared:
            return frozenset()
        now = self._clock()
        self._shared = {user_id: shared for user_id, shared in self._shared.items() if shared.until > now}
        return frozenset(user_id for user_id in user_ids if user_id in self._shared)

    def met(self, user_ids: Collection[UserId]) -> None:
        """Others came first at these accounts: from now on turns are taken at them, for some seconds."""
        now = self._clock()
        if now < self._blind_until:
            return
        until = now + MINDFUL_SECONDS
        for user_id in user_ids:
            self._shared.setdefault(user_id, _Shared(until)).until = until

    def look(self, user_ids: Collection[UserId]) -> None:
        """Begin to look whether others have a turn at these accounts: then they are met."""
        if self._clock() < self._blind_until:
            return
        looking = asyncio.get_running_loop().create_task(self._look([*user_ids]))
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)

    async def _look(self, user_ids: Sequence[UserId]) -> None:
        try:
            owners = await self._redis.together([("GET", _key(user_id)) for user_id in user_ids])
        except CACHE_ERRORS:
            self._go_ahead()
            return
        pairs = zip(user_ids, owners, strict=True)
        self.met([user_id for user_id, owner in pairs if isinstance(owner, str) and not self._is_mine(owner)])

    def _go_ahead(self) -> None:
        """Do without turns for a while."""
        self._shared.clear()
        self._blind_until = self._clock() + BLIND_SECONDS

    def _is_mine(self, token: str) -> bool:
        return token.startswith(self._name)

    @contextlib.asynccontextmanager
    async def at(self, user_ids: Collection[UserId]) -> AsyncIterator[None]:
        """A turn at all of these accounts, or as much of it as is to be had within a moment."""
        ends = self._clock() + WAITING_SECONDS
        async with contextlib.AsyncExitStack() as stack:
            # In one order, so that none waits for another in a circle.
            for user_id in sorted(user_ids):
                await stack.enter_async_context(self._turn(user_id, ends))
            yield

    @contextlib.asynccontextmanager
    async def _turn(self, user_id: UserId, ends: float) -> AsyncIterator[None]:
        lock = Lock(self._redis, _key(user_id), timeout=TURN_SECONDS, sleep=LOOK_SECONDS)
        is_mine = await self._take(lock, user_id, ends)
        try:
            yield
        finally:
            if is_mine:
                if user_id in self._shared:
                    self._shared[user_id].left_at = self._clock()
                # It may be over already, and another's.
                with contextlib.suppress(LockError, *CACHE_ERRORS):
                    await lock.release()

    async def _take(self, lock: Lock, user_id: UserId, ends: float) -> bool:
        shared = self._shared.get(user_id)
        if shared is not None and (left_to_others := shared.left_at + 2 * LOOK_SECONDS - self._clock()) > 0:
            await asyncio.sleep(left_to_others)
        token = f"{self._name}:{next(self._turns)}"
        try:
            if await lock.acquire(blocking=False, token=token):
                return True
            self.met((user_id,))
            return bool(await lock.acquire(blocking_timeout=max(0.0, ends - self._clock()), token=token))
        except CACHE_ERRORS:
            self._go_ahead()
            return False


def _key(user_id: UserId) -> str:
    return f"turn:{user_id}"
