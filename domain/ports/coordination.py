"""Time and turns: how several callers and processes keep out of each other's way."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from domain.values.accounts import UserId


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return now, in UTC, aware."""
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
