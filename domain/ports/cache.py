"""What may be lost: a fast copy of balances, and short-lived notes on checkout sessions."""

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
        """The copy, or None where there is none. It has no email."""
        ...

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """The copy of each, or None where there is none."""
        ...

    async def store(self, account: Account) -> None:
        """Keep the account unless a newer version is kept already."""
        ...

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Keep each account unless a newer one is kept already."""
        ...

    async def forget(self, user_id: UserId) -> None:
        """Keep nothing of the user, whatever its version."""
        ...

    def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Every copy that is kept, some at a time; one that moves meanwhile may come twice."""
        ...


@attrs.frozen(kw_only=True)
class CheckoutNote:
    """Who started a checkout, for which plan."""

    user_id: UserId
    plan_id: str


class SessionMarkers(Protocol):
    """Short-lived notes on checkout sessions; losing them loses nothing.

    Every method raises :class:`CacheUnavailable`.
    """

    async def remember_checkout(self, session_id: str, note: CheckoutNote) -> None:
        """Keep who started the session."""
        ...

    async def recall_checkout(self, session_id: str) -> CheckoutNote | None:
        """Who started the session, if that is still known."""
        ...

    async def begin(self, session_id: str) -> None:
        """Mark that a delivery of the session is being handled."""
        ...

    async def finish(self, session_id: str, event_id: str | None) -> None:
        """Mark that the handling ended; with an event, that its effect is committed."""
        ...

    async def is_processed(self, session_id: str, event_id: str) -> bool:
        """Whether this event of the session is known to be committed."""
        ...
