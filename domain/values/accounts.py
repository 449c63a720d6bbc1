"""Accounts: one user's credits, keyed by the Supabase user id."""

import re
from typing import NewType

import attrs

UserId = NewType("UserId", str)
"""A Supabase user id: a UUID in its canonical lower-case form, as :func:`parse_user_id` returns it."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@attrs.frozen
class InvalidUserId(ValueError):
    """A user id that is not a UUID."""

    given: str

    def __str__(self) -> str:
        return "a user id must be a UUID such as 6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"


def parse_user_id(text: str) -> UserId:
    """Return the canonical form of a hyphenated UUID in upper or lower case.

    :raises InvalidUserId: if the text is anything else.
    """
    canonical = text.lower()
    if not _CANONICAL.fullmatch(canonical):
        raise InvalidUserId(text[:64])
    return UserId(canonical)


@attrs.frozen(kw_only=True)
class Account:
    """One user's credits at one revision."""

    user_id: UserId
    email: str | None = None
    balance: int = 0
    held: int = 0
    version: int = 0
    """Counts the account's ledger entries."""
    revision: int = attrs.field(default=attrs.Factory(lambda self: self.version, takes_self=True))
    """Counts every change, by entries and by holds; it shows which of two copies is newer."""
    notify_below: int | None = None
    """The account's own low-balance threshold; None uses the deployment's."""

    @property
    def available(self) -> int:
        """Return the credits that can be spent now; negative while in debt."""
        return self.balance - self.held

    def posted(self, amount: int) -> "Account":
        """Return the account after one more entry."""
        return Account(  # The same as attrs.evolve, at half its cost.
            user_id=self.user_id,
            email=self.email,
            balance=self.balance + amount,
            held=self.held,
            version=self.version + 1,
            revision=self.revision + 1,
            notify_below=self.notify_below,
        )


@attrs.frozen(kw_only=True)
class HistoricalBalance:
    """An account's credits at a past time."""

    balance: int
    held: int

    @property
    def available(self) -> int:
        """Return the credits that could be spent then."""
        return self.balance - self.held
