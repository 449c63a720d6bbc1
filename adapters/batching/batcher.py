"""Combines requests that arrive while calls are in flight into the next call.

No request waits for others: if a call is free, it is sent at once, even alone. There is no timer.

Invariants, whatever fails:

* Each request is in one call at a time, and gets exactly one answer or one error.
* Two requests with the same key are never in two calls at the same time, and are sent in the order of their arrival.
* A cancelled caller withdraws only its own request, and only if it was not sent yet.
* No more requests wait than the limits allow; further ones are rejected at once.
"""

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Sequence
from typing import Generic, cast

from adapters.batching.batch import Answer, Request, Submitted, fail, in_pieces
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull


class Batcher(Generic[Request, Answer]):
    """Combines many requests into one call."""

    def __init__(
        self,
        call: Callable[[list[Request]], Awaitable[Sequence[Answer]]],
        *,
        limits: Limits,
        keys: Callable[[Request], Collection[Hashable]] = lambda _: (),
        weight: Callable[[Request], int] = lambda _: 1,
        can_bisect: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        """`call` returns one answer per request, in their order.

        `can_bisect` returns whether, after an error, nothing took effect and a single request may be the cause. Then
        the call is repeated in parts, so that only the requests at fault fail.
        """
        self._call = call
        self._limits = limits
        self._keys = keys
        self._weight = weight
        self._can_bisect = can_bisect
        self._waiting: dict[int, Submitted[Request, Answer]] = {}
        self._waiting_weight = 0
        self._claims: Counter[Hashable] = Counter()
        """The number of waiting or sent requests per key."""
        self._busy: set[Hashable] = set()
        """The keys in flight."""
        self._runners: set[asyncio.Task[None]] = set()
        self._is_starting = False
        self._is_closed = False

    async def submit(self, request: Request) -> Answer:
        """Return the answer to one request.

        :raises QueueFull: if too many requests wait.
        :raises Closed: if the batcher was closed.
        :raises Interrupted: if it was in flight when the batcher had to stop.
        """
        submitted = self._submitted(request)
        self._accept((submitted,), submitted.weight)
        try:
            return await submitted.answer
        finally:
            self._withdraw(submitted)

    async def submit_all(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        """Return the answers to several requests, in their order: all of them are accepted, or none.

        They need not be sent in one call. If some fail, the first error is raised once all are settled.

        :raises QueueFull: if too many requests wait.
        :raises Closed: if the batcher was closed.
        :raises Interrupted: if one was in flight when the batcher had to stop.
        """
        submitted = [self._submitted(request) for request in requests]
        self._accept(submitted, sum(one.weight for one in submitted))
        try:
            await asyncio.gather(*(one.answer for one in submitted), return_exceptions=True)
            return tuple([one.answer.result() for one in submitted])
        finally:
            for one in submitted:
                self._withdraw(one)

    async def aclose(self) -> None:
        """Accept nothing more and finish what was accepted; requests that take too long fail with `Interrupted`."""
        self._is_closed = True
        try:
            async with asyncio.timeout(self._limits.closing_seconds):
                while self._runners:
                    await asyncio.wait(self._runners)
        except TimeoutError:
            pass
        finally:
            for submitted in [*self._waiting.values()]:
                fail(submitted, Closed())
                self._withdraw(submitted)
            given_up = {*self._runners}
            for runner in given_up:
                runner.cancel()
        if given_up:
            await asyncio.wait(given_up)

    def _submitted(self, request: Request) -> Submitted[Request, Answer]:
        answer = asyncio.get_running_loop().create_future()
        return Submitted(request, self._keys(request), self._weight(request), answer)

    def _accept(self, accepted: Sequence[Submitted[Request, Answer]], weight: int) -> None:
        if self._is_closed:
            raise Closed
        weight += self._waiting_weight
        count = len(self._waiting) + len(accepted)
        if self._waiting and (count > self._limits.waiting or weight > self._limits.waiting_weight):
            raise QueueFull
        self._waiting_weight = weight
        is_free = False
        for submitted in accepted:
            # Of what waits while a call is free, each needs a key that is in flight. What claims the same key goes
            # after it; only what claims none of them is worth a look.
            if submitted.keys:
                is_free = is_free or not any(self._claims[key] for key in submitted.keys)
                self._claims.update(submitted.keys)
            else:
                is_free = True
            self._waiting[id(submitted)] = submitted
        if is_free:
            self._start_runner()

    def _withdraw(self, submitted: Submitted[Request, Answer]) -> None:
        if self._waiting.pop(id(submitted), None) is not None:
            self._waiting_weight -= submitted.weight
            self._release(submitted.keys)
            if submitted.keys and self._waiting:
                self._start_runner()  # for what waited behind it

    def _start_runner(self) -> None:
        # One at a time: what is asked for before it takes its first step goes with it.
        if not self._is_starting and len(self._runners) < self._limits.calls:
            self._is_starting = True
            # In a context of its own: it works for many callers, not only for the one that started it.
            runner = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
            self._runners.add(runner)
            runner.add_done_callback(self._end_runner)

    def _end_runner(self, runner: asyncio.Task[None]) -> None:
        self._runners.discard(runner)
        if runner.cancelled() and self._waiting:
            self._start_runner()  # a call that was cancelled from inside is no reason to keep others waiting

    async def _run(self) -> None:
        self._is_starting = False
        try:
            while batch := self._take():
                try:
                    await self._send(batch)
                finally:
                    for submitted in batch:
                        fail(submitted, Interrupted())
                        if submitted.keys:
                            self._busy.difference_update(submitted.keys)
                            self._release(submitted.keys)
        finally:
            # At once, not when the task ends: requests in between must find that a call is free.
            self._runners.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _take(self) -> list[Submitted[Request, Answer]]:
        """Return the requests that can be sent together now, oldest first."""
        batch: list[Submitted[Request, Answer]] = []
        weight, blocked, leaves_some = 0, {*self._busy}, False
        for submitted in self._waiting.values():
            if submitted.keys and not blocked.isdisjoint(submitted.keys):
                blocked.update(submitted.keys)
                continue
            weight += submitted.weight
            if len(batch) == self._limits.requests or (batch and weight > self._limits.weight):
                leaves_some = True
                break
            batch.append(submitted)
        for submitted in batch:
            del self._waiting[id(submitted)]
            self._waiting_weight -= submitted.weight
            self._busy.update(submitted.keys)
        if leaves_some:
            self._start_runner()
        return batch

    async def _send(self, batch: list[Submitted[Request, Answer]]) -> None:
        """Call and, if that fails and a single request may be the cause, call again in parts."""
        repeats = self._limits.repeats
        parts = deque([batch])
        while parts:
            # Skip callers that have gone away before their request is repeated.
            part = [submitted for submitted in parts.popleft() if not submitted.answer.done()]
            error = await self._attempt(part) if part else None
            if error is None:
                continue
            pieces = in_pieces(part)
            if len(part) > 1 and len(pieces) <= repeats and self._can_bisect(error):
                repeats -= len(pieces)
                parts.extendleft(reversed(pieces))
                continue
            for submitted in part:
                fail(submitted, error)

    async def _attempt(self, part: list[Submitted[Request, Answer]]) -> Exception | None:
        try:
            answers = await self._call([submitted.request for submitted in part])
            for submitted, answer in zip(part, answers, strict=True):
                if not submitted.answer.done():
                    submitted.answer.set_result(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers get it
            return error
        return None

    def _release(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self._claims[key] -= 1
            if not self._claims[key]:
                del self._claims[key]
