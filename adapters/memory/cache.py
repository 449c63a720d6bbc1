"""The quota cache and the session markers in memory, with the rules of the real ones.

They never await, so each method is atomic.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import attrs

from domain.ports.cache import CheckoutNote
from domain.ports.coordination import Clock
from domain.values.accounts import Account, UserId

PROCESSED_FOR = timedelta(hours=24)
PROCESSING_FOR = timedelta(hours=1)
CHECKOUT_FOR = timedelta(hours=1)


class MemoryQuotaCache:
    """Implements the port QuotaCache in memory."""

    def __init__(self) -> None:
        self._accounts: dict[UserId, Account] = {}

    async def find(self, user_id: UserId) -> Account | None:
        """Return the cached account, or None if there is none. It has no email."""
        return self._accounts.get(user_id)

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """Return the cached account of each user, or None where there is none."""
        return tuple(map(self._accounts.get, user_ids))

    async def store(self, account: Account) -> None:
        """Store the account unless the cached revision is as new."""
        kept = self._accounts.get(account.user_id)
        if kept is None or kept.revision < account.revision:
            self._accounts[account.user_id] = attrs.evolve(account, email=None)

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Store each account unless the cached revision is as new."""
        for account in accounts:
            await self.store(account)

    async def forget(self, user_id: UserId) -> None:
        """Remove the user's cached account."""
        self._accounts.pop(user_id, None)

    async def check(self) -> None:
        """Return: memory is always of use."""

    async def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Yield every cached account."""
        yield tuple(self._accounts.values())

    def copies(self) -> dict[UserId, Account]:
        """Return every cached account."""
        return dict(self._accounts)

    def restore(self, copies: dict[UserId, Account]) -> None:
        """Replace all cached accounts, as when a stale replica takes over."""
        self._accounts = dict(copies)

    def flush(self) -> None:
        """Lose everything, as a Redis may at any moment."""
        self._accounts.clear()


class MemorySessionMarkers:
    """Implements the port SessionMarkers in memory; what is kept expires by the clock."""

    def __init__(self, clock: Clock, quotas: MemoryQuotaCache) -> None:
        self._clock = clock
        self._quotas = quotas
        self._checkouts: dict[str, tuple[CheckoutNote, datetime]] = {}
        self._processing: dict[str, datetime] = {}
        self._processed: dict[str, tuple[str, datetime]] = {}

    async def remember_checkout(self, session_id: str, note: CheckoutNote) -> None:
        """Store who started the session, for an hour."""
        self._checkouts[session_id] = note, self._clock.now() + CHECKOUT_FOR

    async def recall_checkout(self, session_id: str) -> CheckoutNote | None:
        """Return who started the session, or None if that is no longer known."""
        note, until = self._checkouts.get(session_id, (None, self._clock.now()))
        return note if self._clock.now() < until else None

    async def begin(self, session_id: str) -> str | None:
        """Mark, for an hour at most, that a delivery of the session is being handled; return what was processed."""
        self._processing[session_id] = self._clock.now() + PROCESSING_FOR
        event_id, until = self._processed.get(session_id, (None, self._clock.now()))
        return event_id if self._clock.now() < until else None

    async def finish(self, session_id: str, event_id: str | None, accounts: Sequence[Account] = ()) -> None:
        """Store the accounts and remove that mark; with an event, remember for a day that its effect is committed."""
        await self._quotas.store_many(accounts)
        self._processing.pop(session_id, None)
        if event_id is not None:
            self._processed[session_id] = event_id, self._clock.now() + PROCESSED_FOR

    async def forget_processed(self) -> None:
        """Keep no mark of any event that was committed."""
        self._processed.clear()

    def flush(self) -> None:
        """Lose everything, as a Redis may at any moment."""
        self._checkouts.clear()
        self._processing.clear()
        self._processed.clear()
