"""Coordination: the time, and locks by which processes take turns on contended accounts."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from domain.values.accounts import UserId


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...


class AccountLocks(Protocol):
    """Locks on accounts that several processes write at once, so that they conflict less often.

    They save work only; correctness does not depend on them. No method raises: without a working lock service, every
    process goes ahead.
    """

    def contended(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        """Return those of the accounts on which other processes were noticed recently."""
        ...

    def mark_contended(self, user_ids: Collection[UserId]) -> None:
        """Record that other processes wrote these accounts first."""
        ...

    def probe_soon(self, user_ids: Collection[UserId]) -> None:
        """Check in the background whether other processes hold these locks; if so, mark the accounts contended."""
        ...

    def lock(self, user_ids: Collection[UserId]) -> AbstractAsyncContextManager[None]:
        """Return a context that holds the locks on these accounts, as far as they could be acquired in a short time."""
        ...


class RateCounter(Protocol):
    """Counts of what happens within a period, by a name; a period is a number, and its counts may be lost."""

    async def count(self, name: str, period: int) -> int:
        """Count one more, and return how many there are by now in the period.

        :raises CacheUnavailable: if nobody can tell.
        """
        ...
