"""Storage that may be lost: a fast copy of balances, and short-lived markers of checkout sessions."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import attrs

from domain.values.accounts import Account, UserId


@attrs.frozen
class CacheUnavailable(Exception):
    """The cache could not be reached, or did not answer."""

    cause: str


class QuotaCache(Protocol):
    """A fast copy of balances. Every method raises :class:`CacheUnavailable`."""

    async def find(self, user_id: UserId) -> Account | None:
        """Return the cached account, or None if there is none. It has no email."""
        ...

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """Return the cached account of each user, in their order, or None where there is none."""
        ...

    async def store(self, account: Account) -> None:
        """Store the account unless the cache has a newer revision of it."""
        ...

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Store each account unless the cache has a newer revision of it."""
        ...

    async def forget(self, user_id: UserId) -> None:
        """Remove the user's cached account, whatever its revision."""
        ...

    async def check(self) -> None:
        """Make sure that the cache can be used: it answers, takes writes, and has all keys."""
        ...

    def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Yield every cached account in pages; one that changes meanwhile may be yielded twice."""
        ...


@attrs.frozen(kw_only=True)
class CheckoutNote:
    """The user who started a checkout, and its plan."""

    user_id: UserId
    plan_id: str


class SessionMarkers(Protocol):
    """Short-lived markers of checkout sessions; correctness does not depend on them.

    Every method raises :class:`CacheUnavailable`.
    """

    async def remember_checkout(self, session_id: str, note: CheckoutNote) -> None:
        """Store who started the session."""
        ...

    async def recall_checkout(self, session_id: str) -> CheckoutNote | None:
        """Return who started the session, or None if that is no longer known."""
        ...

    async def begin(self, session_id: str) -> str | None:
        """Mark that a delivery of the session is being handled.

        Return the id of the event whose effect was last known to be committed; a restored ledger may have lost it.
        """
        ...

    async def finish(self, session_id: str, event_id: str | None, accounts: Sequence[Account] = ()) -> None:
        """Mark that the handling ended and, if `event_id` is given, that the event's effect is committed.

        Store the accounts at the same time, as the quota cache does.
        """
        ...

    async def forget_processed(self) -> None:
        """Forget every event that is known to be committed."""
        ...
