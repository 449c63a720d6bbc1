"""Accounts in memory, with their entries."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

import attrs

from domain.credits.ledger import LedgerEntry, Posting, post
from domain.values.accounts import Account, UserId


class MemoryAccounts:
    """All accounts, and their entries even after an account is deleted; each method is atomic."""

    def __init__(self) -> None:
        self._accounts: dict[UserId, Account] = {}
        self._entries: dict[UserId, list[LedgerEntry]] = {}

    def __contains__(self, user_id: UserId) -> bool:
        return user_id in self._accounts

    def __iter__(self) -> Iterator[Account]:
        """Yield the accounts in the order of their ids."""
        return iter([self._accounts[user_id] for user_id in sorted(self._accounts)])

    def add(self, account: Account) -> None:
        """Open an account; existing entries of the user stay."""
        self._accounts[account.user_id] = account
        self._entries.setdefault(account.user_id, [])

    def delete(self, user_id: UserId) -> None:
        """Delete an account; its entries stay."""
        del self._accounts[user_id]

    def find(self, user_id: UserId) -> Account | None:
        """Return the account, or None if there is no such user."""
        return self._accounts.get(user_id)

    def get(self, user_id: UserId) -> Account:
        """Return the account of an existing user."""
        return self._accounts[user_id]

    def among(self, user_ids: Iterable[UserId]) -> tuple[Account, ...]:
        """Return the existing accounts, in the order of the ids."""
        return tuple(self._accounts[user_id] for user_id in user_ids if user_id in self._accounts)

    def is_deleted(self, user_id: UserId) -> bool:
        """Return whether the user had entries, and is there no more."""
        return user_id not in self._accounts and bool(self._entries.get(user_id))

    def keep(self, account: Account) -> None:
        """Store an account's new state."""
        self._accounts[account.user_id] = account

    def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set an account's own threshold, and return the account, or None if there is no such user."""
        if user_id in self._accounts:
            self._accounts[user_id] = attrs.evolve(self._accounts[user_id], notify_below=threshold)
        return self.find(user_id)

    def entries(self, user_id: UserId) -> tuple[LedgerEntry, ...]:
        """Return the user's entries, oldest first."""
        return tuple(self._entries.get(user_id, ()))

    def every_entry(self) -> Iterator[LedgerEntry]:
        """Yield the entries of all users, account by account."""
        return chain.from_iterable(self._entries.values())

    def recomputed(self, user_id: UserId, *, held: int) -> Account:
        """Return the account recomputed from its entries, with the given held credits."""
        entries = self._entries[user_id]
        balance = sum(entry.posting.amount for entry in entries)
        return attrs.evolve(self._accounts[user_id], balance=balance, held=held, version=len(entries))

    def post(self, posting: Posting, now: datetime) -> LedgerEntry:
        """Write an entry after the user's last one."""
        account, entries = self._accounts[posting.user_id], self._entries[posting.user_id]
        # The last entry is the truth; the account is a projection of it that may have been tampered with.
        balance = entries[-1].balance_after if entries else 0
        account, entry = post(attrs.evolve(account, balance=balance, version=len(entries)), posting, now=now)
        self.keep(account)
        entries.append(entry)
        return entry
