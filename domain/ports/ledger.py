"""The authority over accounts, purchases and entries: what is read of it, written to it, and audited."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from domain.changes.changes import Change, CommitResult, Holdings, Snapshot, SnapshotQuery
from domain.credits.holds import HoldId
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.credits.records import AccountRecord
from domain.upkeep.consistency import Inconsistency
from domain.values.accounts import Account, HistoricalBalance, UserId


@attrs.frozen
class LedgerUnavailable(Exception):
    """The ledger could not be reached, or did not answer; whether a write took effect is unknown."""

    cause: str


@attrs.frozen
class LedgerRefused(LedgerUnavailable):
    """The ledger answered with an error: nothing of what was sent together took effect."""

    is_final: bool
    """Whether it would answer the same again."""


@attrs.frozen
class LedgerBusy(LedgerUnavailable):
    """More is asked of the ledger than it keeps up with; nothing of this took effect."""

    retry_after_seconds: int


class Ledger(Protocol):
    """The authority over purchases and what was posted for them.

    Every method raises :class:`LedgerUnavailable`.
    """

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases that the links reach.

        With them come the invoices of the subscription, or of the purchases' own, that end at `periods_since` or later,
        or when the purchases themselves begin; with `claims` the account's trials and free periods,
        and of the prices those that Credence made.
        """
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; one result per change, in their order."""
        ...


class Wallets(Protocol):
    """The authority's accounts with their grants and holds. Every method raises :class:`LedgerUnavailable`."""

    async def holdings(
        self, *, user_ids: frozenset[UserId], keys: frozenset[str], hold_ids: frozenset[HoldId]
    ) -> Holdings:
        """Return the wallets of users and of holds' owners, the requests under keys, and the holds."""
        ...

    async def accounts_with_overdue(self, limit: int) -> tuple[UserId, ...]:
        """Return at most `limit` users with a hold or a grant whose time is over, the longest over first."""
        ...


class Accounts(Protocol):
    """The authority's accounts, to read. Every method raises :class:`LedgerUnavailable`."""

    async def account(self, user_id: UserId) -> Account | None:
        """Return the account, or None when there is no such user."""
        ...

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """Return at most `limit` of the entries that are wanted and older than `before_version`, newest first."""
        ...

    async def balance_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance:
        """Return what the account had at the moment; nothing, where it had no entry by then."""
        ...


class Thresholds(Protocol):
    """The accounts' own thresholds of a low balance. Raises :class:`LedgerUnavailable`."""

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set one, or take it away; gives the account, None where there is no such user."""
        ...


class Audit(Protocol):
    """The ledger's check of itself, and its repair. Every method raises :class:`LedgerUnavailable`."""

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """Return one per inconsistent account, naming its first bad entry; none when all agrees."""
        ...

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """Return at most `limit` accounts in the order of their ids: those after one, or the first ones."""
        ...

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Return those of the accounts that exist."""
        ...

    async def recompute(self, user_id: UserId) -> Account | None:
        """Bring an account in line with its entries; None where there is no such user."""
        ...

    async def record_of(self, user_id: UserId) -> AccountRecord | None:
        """Return all that the ledger has of an account; None where nothing is known of such a user."""
        ...
