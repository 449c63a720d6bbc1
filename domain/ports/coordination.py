"""Time, waits, and turns: how several callers and processes keep out of each other's way."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from domain.decisions.batches import Outcome
from domain.decisions.operations import CreditOperation
from domain.values.accounts import UserId

Item = TypeVar("Item")
Written = TypeVar("Written")


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return now, in UTC, aware."""
        ...


class Backoff(Protocol):
    """Waits of a random length, so that those who were in each other's way come back one after the other."""

    async def sleep(self, *, at_most_milliseconds: int) -> None:
        """Wait a moment."""
        ...


class AccountLocks(Protocol):
    """Turns at accounts that several processes want at once, so that they are not in each other's way.

    No account is less safe without them. No method fails: where nobody can tell whose turn it is, each goes ahead.
    """

    def contended(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        """Return those of the accounts where others were met of late."""
        ...

    def mark_contended(self, user_ids: Collection[UserId]) -> None:
        """Note that others came first at these accounts."""
        ...

    def probe_soon(self, user_ids: Collection[UserId]) -> None:
        """Begin to look whether others have a turn at these accounts: then they are met."""
        ...

    def lock(self, user_ids: Collection[UserId]) -> AbstractAsyncContextManager[None]:
        """Return a turn at all of these accounts, or as much of it as is to be had in a moment."""
        ...


class WritePipeline(Protocol):
    """Decides, commits and acknowledges at the same time, one part each."""

    async def run(
        self,
        decide: Callable[[], Sequence[Item]],
        commit: Callable[[Sequence[Item]], Awaitable[Written]],
        acknowledge: Callable[[Written], Awaitable[None]],
    ) -> None:
        """Write what is decided, in its order, until nothing more is decided.

        `decide` is asked for more while parts are being written; what it gave by then goes together, as soon as may be.
        A part may be on its way while the one before it is being written. `acknowledge` is given each part once it is
        written, while the next one is.
        """
        ...


class LateArrivals(Protocol):
    """Those who asked for operations that are being settled, and who ask for more of the same accounts meanwhile."""

    def take(self) -> tuple[Sequence[CreditOperation], datetime]:
        """Return what was asked for since, and the time."""
        ...

    def resolve(self, place: int, outcome: Outcome) -> None:
        """Give an operation its outcome: of those that were there at first and those that joined, in their order."""
        ...
