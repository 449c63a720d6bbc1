"""Guards the service against a faulty Redis: a budget for the time that a request may wait for it, and a breaker.

Redis is used while it answers within the budget and takes writes. A Redis that takes no writes, such as a replica or a
full one, would go on returning old balances. Once it fails, it is not used any more, and the ledger answers. After a
pause the next request starts a probe in the background and does not wait for it. If the probe succeeds, Redis is used
again.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import attrs

from adapters.redis.client import Packed, SharedRedis, connection_pool, pack
from adapters.redis.errors import CACHE_ERRORS, RedisAway, explained, tells_of_redis
from adapters.redis.usability import WRITE, make_sure_of
from domain.ports.cache import CacheUnavailable

Answer = TypeVar("Answer")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
"""The pause between probes doubles up to this. It starts short again if Redis was used for this long in between."""

PROVEN_SECONDS = 1.0
"""A Redis that took a write is trusted for this time. After it, a write is added to the next round of commands."""

HELD_UP_SECONDS = 0.01
"""A process that notices the end of the time this much too late was held up itself, and learns nothing about Redis."""

LATE_IN_A_ROW = 3
"""After this many rounds in a row without an answer in time, Redis is left however busy the process is."""


@attrs.define
class _Allowance:
    """The time that a request may still wait for Redis, in seconds."""

    left: float


_ALLOWANCE: contextvars.ContextVar[_Allowance | None] = contextvars.ContextVar("allowance", default=None)


class GuardedRedis(SharedRedis):
    """A client that uses Redis only while it works, and waits for it within the budget.

    `budget` is in seconds. `on_change` is called once with the reason when Redis is not used any more, and once with
    None when it is used again.
    """

    def __init__(
        self,
        *,
        budget: float,
        on_change: Callable[[str | None], None],
        clock: Callable[[], float],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._budget = self._seconds = budget
        self._on_change = on_change
        self._clock = clock
        self._cause: str | None = None
        """Why Redis is not used; None while it is."""
        self._late = 0
        """Rounds in a row without an answer in time."""
        self._absences = 0
        """The number of times Redis was given up. Commands sent before that say nothing about Redis after it."""
        self._pause = FIRST_PAUSE_SECONDS
        self._next_probe = 0.0
        self._returned = clock() - LONGEST_PAUSE_SECONDS
        self._proven_until = 0.0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Return whether Redis is not used now."""
        return self._cause is not None

    def begin_request(self) -> None:
        """Give this context a budget: all its commands together wait for Redis no longer than that."""
        _ALLOWANCE.set(_Allowance(self._budget))

    def probe_soon(self) -> None:
        """Begin to connect, and to check whether Redis can be used."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Return the answer to one command.

        :raises RedisAway: if Redis is not used now.
        :raises redis.exceptions.RedisError: if there is no answer, or it is an error.
        :raises TimeoutError: if there is none within the budget.
        """
        return await self._within_budget(super().execute_command(*args, **options))

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the answers to several commands; if Redis answers one with an error, that error is in its place.

        :raises RedisAway: if Redis is not used now.
        :raises redis.exceptions.RedisError: if there is no answer.
        :raises TimeoutError: if there is none within the budget.
        """
        return await self._within_budget(super().together(commands))

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Finish what was asked, and close the connections."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait((self._probing,))
        await super().aclose(close_connection_pool)

    async def _within_budget(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        allowance = _ALLOWANCE.get()
        left = self._budget if allowance is None else allowance.left
        if self._cause is not None or left <= 0:
            asked.close()
            self._probe_when_due()
            raise RedisAway(self._cause or "the request has waited for it for as long as it may")
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(left):
                return await asked
        finally:
            if allowance is not None:
                allowance.left -= loop.time() - began

    async def _send(self, commands: Sequence[Packed]) -> Sequence[Any]:
        """Exchange a round of commands; add one that writes if no write was taken recently."""
        if self._cause is not None:
            raise RedisAway(self._cause)  # Redis was left while these commands waited.
        now, absences = self._clock(), self._absences
        proof = [] if now < self._proven_until else [pack(WRITE)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answers = await super()._send([*proof, *commands])
        except CACHE_ERRORS as error:
            is_held_up = isinstance(error, TimeoutError) and loop.time() - began > self._budget + HELD_UP_SECONDS
            self._late += 1
            if absences == self._absences and (not is_held_up or self._late >= LATE_IN_A_ROW):
                self.leave(error)
            raise
        self._late = 0
        failed = next((answer for answer in answers if tells_of_redis(answer)), None)
        if failed is not None:
            if absences == self._absences:
                self.leave(failed)
            raise RedisAway(explained(failed)) from failed
        if proof:
            self._proven_until = now + PROVEN_SECONDS
        return answers[len(proof) :]

    def leave(self, error: Exception) -> None:
        """Stop using Redis until a probe finds that it works."""
        if self._cause is None:
            self._absences += 1
            self._cause = explained(error)
            is_short = self._clock() - self._returned < LONGEST_PAUSE_SECONDS
            self._put_off(2 * self._pause if is_short else FIRST_PAUSE_SECONDS)
            self._on_change(self._cause)

    def _put_off(self, pause: float) -> None:
        self._pause = min(pause, LONGEST_PAUSE_SECONDS)
        self._next_probe = self._clock() + self._pause

    def _probe_when_due(self) -> None:
        if self._cause is not None and self._clock() >= self._next_probe:
            self.probe_soon()

    async def _probe(self) -> None:
        """Check whether Redis works; if it does, repair what was missed, and use it again."""
        try:
            await self._be_connected()
            await make_sure_of(self._ask)
            if self._cause is not None:
                for put_in_order in self.before_return:
                    await put_in_order(self._ask)
        except (*CACHE_ERRORS, CacheUnavailable) as error:
            if self._cause is None:
                self.leave(error)
            else:
                self._put_off(2 * self._pause)
            return
        if self._cause is not None:
            self._cause = None
            self._returned = self._clock()
            self._on_change(None)

    async def _ask(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        """Exchange commands with a Redis that may be unavailable."""
        return await super()._send([pack(command) for command in commands])


def guarded(
    url: str, *, budget: float, on_change: Callable[[str | None], None], clock: Callable[[], float] = time.monotonic
) -> GuardedRedis:
    """Return a guarded client of the Redis at that address.

    :raises ValueError: if the address is of another kind.
    """
    client = GuardedRedis(connection_pool=connection_pool(url), budget=budget, on_change=on_change, clock=clock)
    client.auto_close_connection_pool = True
    return client
