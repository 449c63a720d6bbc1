"""A service as anybody can see it: its accounts with their entries, grants and copies, and what waits."""

from collections.abc import Mapping

import attrs


def answer_of(intent: str) -> str:
    """Return the name of the answer that says that a payment was made; it stands among events, as they are reported."""
    return f"answer {intent}"


@attrs.frozen(kw_only=True)
class ObservedEntry:
    """One entry of an account; what the observer can't see is None."""

    version: int
    amount: int
    kind: str
    balance_after: int
    balance_before: int | None = None
    key: str | None = None
    payment: str | None = None
    period: int | None = None
    """The end of the period that was paid for, in seconds since 1970."""


@attrs.frozen(kw_only=True)
class ObservedGrant:
    """Credits of one payment that are left, and when they end."""

    payment: str | None
    period: int | None
    remaining: int
    ends: int | None


@attrs.frozen(kw_only=True)
class Copy:
    """An account as a cache, or a reader, has it."""

    balance: int
    version: int
    held: int = 0


@attrs.frozen(kw_only=True)
class ObservedAccount:
    """An account as it stands: its balance, its entries oldest first, and the copy where there is one."""

    customer: str
    balance: int
    version: int
    held: int = 0
    entries: tuple[ObservedEntry, ...] = ()
    copy: Copy | None = None
    grants: tuple[ObservedGrant, ...] | None = None
    """What is left of what; None where the observer can't see it."""


@attrs.frozen(kw_only=True)
class Observation:
    """A service as it stands."""

    accounts: tuple[ObservedAccount, ...]
    ended: frozenset[str] = frozenset()
    """Ids of the events that were recorded, and decided for good; and the answers to charges that are."""
    waiting: frozenset[str] = frozenset()
    """Ids of those that were recorded, and can't be decided yet."""
    messages_left: int = 0
    changes_left: int = 0
    """Changes of accounts that no worker has brought to the cache."""
    invoices_sent: frozenset[str] = frozenset()
    charged: Mapping[str, int] = attrs.field(factory=dict)
    """How often the card was charged for each charge, by its id."""
    answers: Mapping[str, str] = attrs.field(factory=dict)
    """The first answer to each intent, by its key."""
    inconsistencies: tuple[str, ...] = ()
    now: int | None = None
    """The time, in seconds since 1970, where it can be seen."""
