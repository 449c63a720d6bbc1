"""Coordination: the time, and locks by which processes take turns on contended accounts."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import attrs

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


@attrs.frozen
class PeriodCount:
    """The count so far in the current period, and the seconds until the period ends, at least 1."""

    count: int
    seconds_left: int


class RateCounter(Protocol):
    """Counts of events within periods, by a name; counts may be lost.

    All processes that share the counter use one clock to decide when a period ends.
    """

    async def count(self, name: str, seconds: int) -> PeriodCount:
        """Count one more in the name's period, of so many seconds; where none is running one begins.

        :raises CacheUnavailable: if nobody can tell.
        """
        ...
