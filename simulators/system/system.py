"""The system under test, as the explorers need it. They know it only by this; a harness elsewhere provides it.

A world is everything that survives a process: ledger, inbox, outbox, cache, time. Processes are what dies.
"""

import importlib
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol, Self, cast

import attrs

from simulators.stories.credit_operations import Answered, Use
from simulators.stories.customers import Customer, Plan
from simulators.stories.observation import Copy, Observation
from simulators.system.stepping import Pause

DEFAULT = "features.harness.binding"


@attrs.frozen
class Deliver:
    """Stripe delivers a body with its signature header. Gives the status of the answer."""

    body: bytes
    signature: str


@attrs.frozen
class ReadQuota:
    """Somebody reads a customer's quota. Gives a :class:`Copy`, or None where there is no such user."""

    customer: str


@attrs.frozen
class Work:
    """A worker does one round of a job, by its name in a schedule. Gives how many pieces it took."""

    job: str


@attrs.frozen
class Ask:
    """A service asks something of credits. Gives what came of it."""

    use: Use


Job = Deliver | ReadQuota | Work | Ask
Result = int | Copy | Answered | None


class World(Protocol):
    """One state of a system. Jobs are begun in a process, and awaited call by call."""

    def begin(self, job: Job, *, process: str = "a") -> Coroutine[Any, Any, Result]:
        """Return a job's coroutine; its pauses are those of :mod:`simulators.system.stepping`. The calls that it awaits
        belong to no world: the caller performs them on this world, or on a fork of it.
        """
        ...

    def perform(self, pause: Pause) -> Any:
        """Do what a job awaits, in one indivisible step; raises what the port raises."""
        ...

    def fault(self, pause: Pause) -> Exception | None:
        """Return the error by which that port tells that it is away; None where it can't be."""
        ...

    def commutes(self, pause: Pause, *, is_read: bool) -> bool:
        """Return whether this call commutes with every call of every job, in effect and answer.

        `is_read` is whether a quota may be read meanwhile. To say no is always right, and costs time.
        """
        ...

    def restart(self, process: str) -> None:
        """Start a process afresh: whatever it kept in its memory is gone."""
        ...

    def sign_up(self, customer: Customer) -> None:
        """Let a user exist."""
        ...

    def flush_cache(self) -> None:
        """Lose everything that the cache holds."""
        ...

    def rewind_cache(self, writes: int) -> None:
        """Lose the latest writes of the cache's balances, as many as are remembered."""
        ...

    def now(self) -> int:
        """Return seconds since 1970."""
        ...

    def let_pass(self, seconds: int) -> None:
        """Let time pass."""
        ...

    def fork(self) -> Self:
        """Return a world of its own that begins as this one is."""
        ...

    def state(self) -> Hashable:
        """Return all that later behaviour can depend on: equal states behave equally."""
        ...

    def digest(self) -> str:
        """Return a short name of the state, the same in every run of the same schedule."""
        ...

    def seen(self) -> Observation:
        """Return what the checkers look at."""
        ...


class System(Protocol):
    """The system under test, which builds worlds."""

    @property
    def bugs(self) -> Mapping[str, str]:
        """Return the bugs that can be planted, by name, each with what it does wrong."""
        ...

    def planted(self, bug: str) -> "System":
        """Return the same system with a bug in it.

        :raises KeyError: if there is no such bug.
        """
        ...

    def world(
        self,
        plans: Sequence[Plan],
        customers: Sequence[Customer],
        *,
        now: int,
        secret: str,
        payments: Sequence[Mapping[str, Any]] = (),
        prices: Sequence[Mapping[str, Any]] = (),
    ) -> World:
        """Return a world with these plans on sale and these users signed up.

        `secret` signs deliveries; `payments` and `prices` are what Stripe can tell when it is asked, as a schedule has
        them.
        """
        ...


class NoSuchSystem(Exception):
    """A name that leads to no system under test."""


def load(name: str = DEFAULT) -> System:
    """Return the system that a module of that name provides as `system`.

    :raises NoSuchSystem: if there is none.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as problem:
        raise NoSuchSystem(
            f"The system under test {name!r} can't be loaded ({problem}). Run this from the repository's root, with the"
            " development dependencies installed, or name another module with --system."
        ) from problem
    system = getattr(module, "system", None)
    if system is None:
        raise NoSuchSystem(f"The module {name!r} provides no `system`.")
    return cast("System", system)
