"""Accounts: one user's credits, keyed by the Supabase user id."""

import re
from typing import NewType

import attrs

UserId = NewType("UserId", str)
"""A Supabase user id: a uuid in its canonical lower-case form, as :func:`parse_user_id` returns it."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@attrs.frozen
class InvalidUserId(ValueError):
    """A user id that is not a uuid."""

    given: str

    def __str__(self) -> str:
        return "a user id must be a uuid such as 6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"


def parse_user_id(text: str) -> UserId:
    """The canonical form of a uuid in its hyphenated form, upper or lower case.

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
    """Counts every change: entries, and holds that moved `held`. It tells an older copy from a newer one."""
    notify_below: int | None = None
    """The account's own threshold of a low balance; None leaves it to the deployment's."""

    @property
    def available(self) -> int:
        """Credits that may be spent now."""
        return self.balance - self.held

    def posted(self, amount: int) -> "Account":
        """The account after one more entry."""
        return Account(  # as attrs.evolve would, at half its cost
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
    """What an account had at a moment that is over."""

    balance: int
    held: int

    @property
    def available(self) -> int:
        """Credits that could be spent then."""
        return self.balance - self.held
