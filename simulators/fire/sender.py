"""Firing: signed deliveries at a bounded rate, repeated as Stripe repeats them, and what the target answered.

What was accepted, and what is still uncertain, is kept by event, so that balances can be judged while it goes on.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import attrs
import httpx

from simulators.fire.answers import check_redirect, problem_type
from simulators.fire.target import Target
from simulators.schedules.steps import GOOD_SIGNATURES, Step
from simulators.stripe.signatures import sign_webhook

PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
"""Seconds between the attempts of one delivery; Stripe takes hours for as many."""
OUT_OF_TOLERANCE = 400
"""Seconds by which a stale or future signature is off; 300 are tolerated."""
OTHER_SECRET = "whsec_of_somebody_else"  # noqa: S105 - it is meant to be wrong
FINAL = frozenset({"applied", "nothing_new", "ignored"})
NO_ANSWER = 0
_TRY_AGAIN = frozenset({408, 429})


@attrs.frozen(kw_only=True)
class DeliveryAttempt:
    """One delivery to make: an event's exact text, how it is signed, and whether its answer gets through to Stripe."""

    event: str
    body: bytes
    signature: str = "good"
    is_heard: bool = True

    @property
    def is_good(self) -> bool:
        """Return whether the target must accept it."""
        return self.signature in GOOD_SIGNATURES


@attrs.define
class Tally:
    """The counts of deliveries and of their answers so far."""

    planned: int = 0
    finished: int = 0
    requests: int = 0
    repeated: int = 0
    statuses: Counter[tuple[bool, int]] = attrs.field(factory=Counter)
    """How often each status was answered, to good and to bad signatures; 0 is no answer."""
    outcomes: Counter[str] = attrs.field(factory=Counter)
    """What the target says that became of the accepted ones."""
    latencies: list[float] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)
    begun: set[str] = attrs.field(factory=set)
    accepted: set[str] = attrs.field(factory=set)
    decided: set[str] = attrs.field(factory=set)
    """Those of the accepted ones that are more than stored."""
    seconds: float = 0.0

    @property
    def lost(self) -> frozenset[str]:
        """Return events that were sent, and never accepted."""
        return frozenset(self.begun - self.accepted)


class Pace:
    """Lets so many turns a second pass, evenly; a turn that is missed is not caught up with."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        mine = max(self._next, now)
        self._next = mine + self._gap
        if mine > now:
            await asyncio.sleep(mine - now)


StackFault = Callable[[Step], Awaitable[None]]
"""Does to a stack what a step says: kills a part of it, starts it again, empties the cache."""


@attrs.frozen(kw_only=True)
class Sender:
    """Fires at a target until all is finished, or somebody stops it."""

    target: Target
    secret: str = attrs.field(repr=False)
    pace: Pace
    concurrency: int
    chance: random.Random
    tally: Tally
    stopping: asyncio.Event
    watch: Callable[[], None] = lambda: None
    pauses: Sequence[float] = PAUSES
    """Seconds before each repetition; after the last one a delivery is given up."""
    fault: StackFault | None = None
    """None where nothing but deliveries can be done to the target."""

    async def fire(self, attempts: Sequence[DeliveryAttempt | Step]) -> None:
        """Fire them in their order, at most :attr:`concurrency` at once; what must be repeated is, beside the others.

        When it is stopped, what is under way is answered first.

        :raises TargetUnfit: if the target sends us elsewhere.
        """
        self.tally.planned += sum(isinstance(attempt, DeliveryAttempt) for attempt in attempts)
        places, faults = (
            asyncio.Semaphore(self.concurrency),
            [attempt for attempt in attempts if not isinstance(attempt, DeliveryAttempt)],
        )
        settling = asyncio.Event()
        if self.fault is None or not faults:
            settling.set()
        started = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for attempt in attempts:
                    if self.stopping.is_set():
                        break
                    if isinstance(attempt, DeliveryAttempt):
                        await places.acquire()
                        await self.pace.turn()
                        group.create_task(self._first(attempt, places, settling, group))
                    elif self.fault is not None:
                        await self.fault(attempt)
                        if attempt is faults[-1]:
                            settling.set()
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        finally:
            self.tally.seconds += time.monotonic() - started

    async def once(self, attempt: DeliveryAttempt) -> httpx.Response | None:
        """Fire a single shot once; None where there is no answer."""
        return await self._sent(attempt)

    async def _first(
        self, attempt: DeliveryAttempt, places: asyncio.Semaphore, settling: asyncio.Event, group: asyncio.TaskGroup
    ) -> None:
        if attempt.is_good:
            self.tally.begun.add(attempt.event)
        try:
            done = await self._attempted(attempt, is_heard=attempt.is_heard)
        finally:
            places.release()
        if done:
            self._finished()
        else:
            group.create_task(self._again(attempt, places, settling))

    async def _again(self, attempt: DeliveryAttempt, places: asyncio.Semaphore, settling: asyncio.Event) -> None:
        # Stripe goes on for days, which outlasts what is done to a stack here: only then is it counted how often.
        attempts = counted = 0
        while counted < len(self.pauses):
            pause = self.pauses[min(attempts, len(self.pauses) - 1)]
            attempts += 1
            counted += settling.is_set()
            if await self._is_stopped_within(pause * self.chance.uniform(0.5, 1.0)):
                break
            async with places:
                await self.pace.turn()
                self.tally.repeated += 1
                if await self._attempted(attempt, is_heard=True):
                    break
        self._finished()

    async def _attempted(self, attempt: DeliveryAttempt, *, is_heard: bool) -> bool:
        """Return whether Stripe has done with the delivery; what is lost on the way to it, it repeats."""
        answer = await self._sent(attempt)
        status = answer.status_code if answer is not None else NO_ANSWER
        self.tally.statuses[attempt.is_good, status] += 1
        self.watch()
        if answer is None or status in _TRY_AGAIN or status >= 500 or not is_heard:
            return False
        self._judge(attempt, answer)
        return True

    async def _is_stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return self.stopping.is_set()

    def _finished(self) -> None:
        self.tally.finished += 1
        self.watch()

    async def _sent(self, attempt: DeliveryAttempt) -> httpx.Response | None:
        body, header = signed(attempt, self.secret, int(time.time()))
        self.tally.requests += 1
        started = time.perf_counter()
        try:
            answer = await self.target.deliver(body, header)
        except httpx.HTTPError:
            return None
        self.tally.latencies.append(time.perf_counter() - started)
        check_redirect(self.target.url, answer)
        return answer

    def _judge(self, attempt: DeliveryAttempt, answer: httpx.Response) -> None:
        status, tally = answer.status_code, self.tally
        if not attempt.is_good:
            if status != 400:
                tally.complaints.append(
                    f"a delivery whose signature is {attempt.signature} was answered {status}, not 400"
                )
            return
        if not 200 <= status < 300:
            reason = problem_type(answer) or "no reason"
            tally.complaints.append(f"{attempt.event}, well signed, was answered {status} ({reason})")
            return
        given = _outcome(answer)
        tally.outcomes[given] += 1
        tally.accepted.add(attempt.event)
        if given in FINAL:
            tally.decided.add(attempt.event)


def signed(attempt: DeliveryAttempt, secret: str, now: int) -> tuple[bytes, str | None]:
    """Return the body and the `Stripe-Signature` header of a shot."""
    body = attempt.body
    headers: dict[str, Callable[[], str | None]] = {
        "good": lambda: sign_webhook(body, secret, now),
        "rolled": lambda: sign_webhook(body, OTHER_SECRET, now, secret),
        "forged": lambda: sign_webhook(body, OTHER_SECRET, now),
        "tampered": lambda: sign_webhook(body, secret, now),
        "stale": lambda: sign_webhook(body, secret, now - OUT_OF_TOLERANCE),
        "future": lambda: sign_webhook(body, secret, now + OUT_OF_TOLERANCE),
        "missing": lambda: None,
    }
    return body + b" " if attempt.signature == "tampered" else body, headers[attempt.signature]()


def _outcome(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        body = None
    return str(body.get("status", "accepted")) if isinstance(body, dict) else "accepted"
