"""Lets processes take turns at accounts that several of them use at once, by locks in Redis,
`{ledger id}:turn:{user_id}`, each held for a second at most.

The locks only make conflicts rarer. Correctness does not need them: the ledger guards accounts.
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

from adapters.redis.client import SharedRedis
from adapters.redis.errors import CACHE_ERRORS
from adapters.redis.ledger_keys import LedgerKeys
from domain.ports.cache import CacheUnavailable
from domain.values.accounts import UserId

LOCK_SECONDS = 1.0
"""A turn is over by then, whatever became of the process that has it."""

WAITING_SECONDS = 2.0
"""Nobody waits longer for a turn."""

PROBE_SECONDS = 0.002
"""Between looks whether a turn is over. Who had it leaves twice as long to others."""

MINDFUL_SECONDS = 2.0
"""Turns are taken at an account for so long after others were met there."""


@attrs.define
class _Contended:
    """An account that other processes were found to use."""

    until: float
    left_at: float = -1.0
    """When the last turn at it was over."""


class RedisAccountLocks:
    """Implements AccountLocks; where Redis does not answer, each process goes ahead."""

    def __init__(self, redis: SharedRedis, keys: LedgerKeys, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._contended: dict[UserId, _Contended] = {}
        self._name = uuid.uuid4().hex
        self._tokens = itertools.count()
        self._probing: set[asyncio.Task[None]] = set()

    def contended(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        """Return those of the accounts where others were met within the last seconds."""
        if not self._contended or self._redis.is_away:
            return frozenset()
        now = self._clock()
        self._contended = {
            user_id: contended for user_id, contended in self._contended.items() if contended.until > now
        }
        return frozenset(user_id for user_id in user_ids if user_id in self._contended)

    def mark_contended(self, user_ids: Collection[UserId]) -> None:
        """Note that others came first at these accounts: from now on they are locked, for some seconds."""
        if self._redis.is_away:
            return
        until = self._clock() + MINDFUL_SECONDS
        for user_id in user_ids:
            self._contended.setdefault(user_id, _Contended(until)).until = until

    def probe_soon(self, user_ids: Collection[UserId]) -> None:
        """Begin to look whether others have a turn at these accounts: then they are met."""
        if self._redis.is_away:
            return
        probing = asyncio.get_running_loop().create_task(self._probe([*user_ids]))
        self._probing.add(probing)
        probing.add_done_callback(self._probing.discard)

    async def _probe(self, user_ids: Sequence[UserId]) -> None:
        try:
            owners = await self._redis.together([("GET", await self._key(user_id)) for user_id in user_ids])
        except (*CACHE_ERRORS, CacheUnavailable):
            return
        pairs = zip(user_ids, owners, strict=True)
        self.mark_contended(
            [user_id for user_id, owner in pairs if isinstance(owner, str) and not self._is_mine(owner)]
        )

    def _is_mine(self, token: str) -> bool:
        return token.startswith(self._name)

    @contextlib.asynccontextmanager
    async def lock(self, user_ids: Collection[UserId]) -> AsyncIterator[None]:
        """Return a turn at all of these accounts, or as much of it as is to be had within a moment."""
        ends = self._clock() + WAITING_SECONDS
        async with contextlib.AsyncExitStack() as stack:
            # In one order, so that none waits for another in a circle.
            for user_id in sorted(user_ids):
                await stack.enter_async_context(self._lock(user_id, ends))
            yield

    @contextlib.asynccontextmanager
    async def _lock(self, user_id: UserId, ends: float) -> AsyncIterator[None]:
        lock = await self._take(user_id, ends)
        try:
            yield
        finally:
            if lock is not None:
                if user_id in self._contended:
                    self._contended[user_id].left_at = self._clock()
                # It may be over already, and another's.
                with contextlib.suppress(LockError, *CACHE_ERRORS):
                    await lock.release()

    async def _take(self, user_id: UserId, ends: float) -> Lock | None:
        """Return the turn, or None where it is not to be had."""
        contended = self._contended.get(user_id)
        if contended is not None and (left_to_others := contended.left_at + 2 * PROBE_SECONDS - self._clock()) > 0:
            await asyncio.sleep(left_to_others)
        token = f"{self._name}:{next(self._tokens)}"
        try:
            lock = Lock(self._redis, await self._key(user_id), timeout=LOCK_SECONDS, sleep=PROBE_SECONDS)
            if await lock.acquire(blocking=False, token=token):
                return lock
            self.mark_contended((user_id,))
            is_mine = await lock.acquire(blocking_timeout=max(0.0, ends - self._clock()), token=token)
        except (*CACHE_ERRORS, CacheUnavailable):
            return None
        return lock if is_mine else None

    async def _key(self, user_id: UserId) -> str:
        return f"{await self._keys.prefix()}turn:{user_id}"
