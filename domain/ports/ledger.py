"""The ledger, the authority over accounts, purchases and entries: reading, committing and auditing."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from domain.changes.changes import Change, CommitResult, Holdings, HoldingsQuery, Snapshot, SnapshotQuery
from domain.changes.walks import ChangedAccounts
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.credits.records import MAX_RECORDS, NEWEST, AccountRecord, AccountSums, RecordPlace
from domain.payments.purchases import Link
from domain.payments.subscriptions import HeldSubscription
from domain.upkeep.consistency import Inconsistency
from domain.values.accounts import Account, HistoricalBalance, UserId


@attrs.frozen
class LedgerUnavailable(Exception):
    """The ledger could not be reached or did not answer. Whether a write took effect is unknown."""

    cause: str


@attrs.frozen
class LedgerUntouched(LedgerUnavailable):
    """The ledger was not reached, or accepts no writes now. Nothing of the call took effect."""


@attrs.frozen
class LedgerRefused(LedgerUntouched):
    """The ledger answered with an error, perhaps caused by one of several things sent together. Nothing took effect."""

    is_final: bool
    """Whether the same call would fail again."""


@attrs.frozen
class LedgerKeyRefused(LedgerUntouched):
    """The ledger does not accept the key that it was called with. Nothing of the call took effect."""

    remedy: str


@attrs.frozen
class LedgerBusy(LedgerUntouched):
    """The ledger is overloaded. Nothing of the call took effect."""

    retry_after_seconds: int


@contextlib.contextmanager
def after_a_commit() -> Iterator[None]:
    """Promise nothing of what the ledger refuses in this context, since an earlier step of the same call has committed.

    :raises LedgerUnavailable: in place of :class:`LedgerUntouched`.
    """
    try:
        yield
    except LedgerUntouched as untouched:
        raise LedgerUnavailable(untouched.cause) from untouched


class Ledger(Protocol):
    """Purchases and what was posted for them, to read and to commit.

    Every method raises :class:`LedgerUnavailable`.
    """

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases that have the links.

        The snapshot includes the invoices of the subscription, or of the purchases' subscriptions, whose periods end at
        `periods_since` or later, or after the purchases begin; with `claims` also the account's trials and free
        periods; and those of the prices that Credence created.
        """
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; return one result per change, in their order."""
        ...


class RecentLinks(Protocol):
    """The links of purchases that this process wrote recently. They only save work; correctness does not need them."""

    def are_known(self, links: Collection[Link], event_id: str) -> bool:
        """Return whether one of the links was written by another event than this."""
        ...


class Wallets(Protocol):
    """Accounts with their grants and holds, to spend from. Every method raises :class:`LedgerUnavailable`."""

    async def holdings(self, query: HoldingsQuery) -> Holdings:
        """Return the wallets of the users and of the holds' owners, the requests under the keys, and the holds.

        If the query says what is taken, wallets have no other grants than :func:`domain.credits.grants.needed` names
        for that and the credits of the holds together.
        """
        ...

    async def accounts_with_overdue(self, limit: int) -> tuple[UserId, ...]:
        """Return at most `limit` users with an expired hold or grant that is not settled yet, longest expired first."""
        ...


class Accounts(Protocol):
    """Accounts and their entries, to read. Every method raises :class:`LedgerUnavailable`."""

    async def account(self, user_id: UserId) -> Account | None:
        """Return the account, or None if there is no such user."""
        ...

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """Return at most `limit` entries that match and are older than `before_version`, newest first."""
        ...

    async def balance_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance | None:
        """Return the account's credits at a past time, zero if it had no entry by then; None of a time to come."""
        ...


class AccountSubscriptions(Protocol):
    """The subscriptions of accounts, to read. Raises :class:`LedgerUnavailable`."""

    async def subscriptions_of(self, user_id: UserId) -> tuple[HeldSubscription, ...]:
        """Return the account's subscriptions, newest first: those that name it, and those whose invoices are its own.

        The invoices of the newest 200 purchases count. A subscription that names another account is not its own.
        """
        ...


class Thresholds(Protocol):
    """The accounts' own low-balance thresholds. Raises :class:`LedgerUnavailable`."""

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set or remove a threshold; return the account, or None if there is no such user."""
        ...


class AccountWalk(Protocol):
    """The walk by which the cache follows the ledger, from mark to mark. Raises :class:`LedgerUnavailable`.

    A mark says which changes were committed when it was made, so one that is committed late is after it.
    """

    async def changed_accounts(self, limit: int, *, lease_seconds: int) -> ChangedAccounts | None:
        """Return the accounts of about `limit` changes after the mark; None if there are none.

        Others get None until the mark is moved or the lease has expired.
        """
        ...

    async def move_mark(self, walked: ChangedAccounts) -> None:
        """Move the mark after these changes, unless it was moved meanwhile."""
        ...


class Audit(Protocol):
    """The ledger's check of itself, and its repair. Every method raises :class:`LedgerUnavailable`."""

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """Return one inconsistency per affected account, with its first wrong entry; empty if there is none."""
        ...

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """Return at most `limit` accounts in the order of their ids, starting after the given id if any."""
        ...

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Return the accounts of the users who exist."""
        ...

    async def recompute(self, user_id: UserId) -> Account | None:
        """Recompute an account's balance from its entries; return the account, or None if there is no such user."""
        ...

    async def record_of(
        self, user_id: UserId, *, place: RecordPlace = NEWEST, limit: int = MAX_RECORDS
    ) -> AccountRecord | None:
        """Return a page of an account's records, or None if the ledger never knew such a user."""
        ...

    async def sums_of(self, user_id: UserId) -> AccountSums:
        """Return the sums of all entries of an account; the time grows with their number."""
        ...
