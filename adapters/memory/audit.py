"""The check of an account in memory: the problems that `validate_credits_consistency()` finds, under the same names."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import attrs

from adapters.memory.accounts import MemoryAccounts
from adapters.memory.grants import MemoryGrants
from adapters.memory.purchases import MemoryPurchases
from adapters.memory.record_pages import page_of
from adapters.memory.walk import MemoryWalk
from domain.credits.holds import Hold
from domain.credits.ledger import EntryKind, LedgerEntry
from domain.credits.records import MAX_RECORDS, NEWEST, AccountRecord, AccountSums, GrantRecord, RecordPlace
from domain.upkeep.consistency import Inconsistency
from domain.values.accounts import Account, UserId


class MemoryAudit:
    """Implements the port Audit in memory, of a ledger's accounts, grants and purchases."""

    def __init__(
        self, accounts: MemoryAccounts, grants: MemoryGrants, purchases: MemoryPurchases, walk: MemoryWalk
    ) -> None:
        self._accounts = accounts
        self._grants = grants
        self._purchases = purchases
        self._walk = walk

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """Return one per account that disagrees with its entries, grants and holds, in the order of their ids."""
        found = (
            first_inconsistency(
                account,
                self._accounts.entries(account.user_id),
                self._grants.records(account.user_id),
                self._grants.holds(account.user_id),
            )
            for account in self._accounts
        )
        return tuple(one for one in found if one is not None)

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """Return at most `limit` accounts in the order of their ids."""
        following = [account for account in self._accounts if user_id is None or account.user_id > user_id]
        return tuple(following[:limit])

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Return those of the accounts that exist."""
        return self._accounts.among(sorted(set(user_ids)))

    async def recompute(self, user_id: UserId) -> Account | None:
        """Recompute an account from its entries; return it, or None if there is no such user."""
        account = self._accounts.find(user_id)
        if account is None:
            return None
        held = sum(hold.credits for hold in self._grants.open_holds(user_id))
        due = self._accounts.recomputed(user_id, held=held)
        if due != account:
            # A copy of what was wrong is older than what is right.
            self._accounts.keep(attrs.evolve(due, revision=max(account.revision, due.version) + 1))
            self._walk.note(user_id)
        return self._accounts.get(user_id)

    async def record_of(
        self, user_id: UserId, *, place: RecordPlace = NEWEST, limit: int = MAX_RECORDS
    ) -> AccountRecord | None:
        """Return a page of an account's records, or None if the ledger never knew such a user."""
        entries = self._accounts.entries(user_id)
        purchases = tuple(self._purchases.records(user_id, entries))
        if user_id not in self._accounts and not entries and not purchases:
            return None
        record = AccountRecord(
            user_id=user_id,
            account=self._accounts.find(user_id),
            purchases=purchases,
            entries=entries,
            grants=self._grants.records(user_id),
            holds=self._grants.holds(user_id),
        )
        return page_of(record, place, limit)

    async def sums_of(self, user_id: UserId) -> AccountSums:
        """Return what all of an account's entries come to."""
        entries = [entry.posting for entry in self._accounts.entries(user_id)]
        return AccountSums(
            by_purchases=sum(posting.amount for posting in entries if posting.purchase_id is not None),
            by_others=sum(posting.amount for posting in entries if posting.purchase_id is None),
            remaining=sum(known.grant.remaining for known in self._grants.records(user_id)),
        )


def first_inconsistency(
    account: Account, entries: Sequence[LedgerEntry], grants: Sequence[GrantRecord], holds: Sequence[Hold]
) -> Inconsistency | None:
    """Return where the account first disagrees with its entries, grants and holds; None where all agrees."""
    kept = [hold for hold in holds if hold.is_open]
    found = chain(
        _account(account, entries, grants, kept),
        _draws(account, entries, grants, kept),
        _captures(account, entries, holds),
    )
    return next(found, None)


def _account(
    account: Account, entries: Sequence[LedgerEntry], grants: Sequence[GrantRecord], holds: Sequence[Hold]
) -> Iterator[Inconsistency]:
    balance, remaining = sum(entry.posting.amount for entry in entries), sum(known.grant.remaining for known in grants)
    held = sum(hold.credits for hold in holds)
    if account.version != len(entries):
        yield _found(account, "version_differs_from_ledger", len(entries), account.version, at=len(entries))
    if account.balance != balance:
        yield _found(account, "balance_differs_from_ledger", balance, account.balance, at=len(entries))
    if account.revision < len(entries):
        yield _found(account, "revision_behind_ledger", len(entries), account.revision, at=len(entries))
    if remaining != max(balance, 0):
        yield _found(account, "grants_differ_from_balance", max(balance, 0), remaining, at=len(entries))
    if account.held != held:
        yield _found(account, "held_differs_from_holds", held, account.held, at=len(entries))


def _draws(
    account: Account, entries: Sequence[LedgerEntry], grants: Sequence[GrantRecord], holds: Sequence[Hold]
) -> Iterator[Inconsistency]:
    drawn = Counter[int]()
    for known in grants:
        for draw in known.draws:
            drawn[draw.version] += draw.credits
    most = {entry.version: _most(entry) for entry in entries}
    for version, taken in sorted(drawn.items()):
        if taken > most.get(version, 0):
            yield _found(account, "draws_exceed_entry", most.get(version, 0), taken, at=version)
    for known in grants:
        grant = known.grant
        credits_due = grant.remaining + sum(draw.credits for draw in known.draws)
        if grant.credits != credits_due:
            due = f"{grant.id}: {credits_due}"
            yield _found(account, "grant_differs_from_draws", due, f"{grant.id}: {grant.credits}")
    reserved = Counter({known.grant.id: 0 for known in grants})
    for hold in holds:
        for reserve in hold.draws:
            reserved[reserve.grant_id] += reserve.credits
    for known in grants:
        grant = known.grant
        if grant.held != reserved[grant.id]:
            due = f"{grant.id}: {reserved[grant.id]}"
            yield _found(account, "grant_differs_from_holds", due, f"{grant.id}: {grant.held}")
    for hold in holds:
        sum_of_draws = sum(reserve.credits for reserve in hold.draws)
        if sum_of_draws != hold.credits:
            due = f"{hold.id}: {hold.credits}"
            yield _found(account, "hold_differs_from_draws", due, f"{hold.id}: {sum_of_draws}")


def _captures(account: Account, entries: Sequence[LedgerEntry], holds: Sequence[Hold]) -> Iterator[Inconsistency]:
    taken = -sum(entry.posting.amount for entry in entries if entry.posting.kind is EntryKind.CAPTURE)
    captured = sum(hold.captured for hold in holds)
    if captured != taken:
        yield _found(account, "captured_differs_from_entries", taken, captured, at=len(entries))


def _most(entry: LedgerEntry) -> int:
    """Return the most that an entry may draw: what it takes, or what it pays of a debt."""
    stands = max(entry.balance_after, 0) - max(entry.balance_before, 0)
    return max(entry.posting.amount, 0) - stands


def _found(account: Account, problem: str, expected: object, actual: object, *, at: int | None = None) -> Inconsistency:
    return Inconsistency(
        user_id=account.user_id,
        problem=problem,
        entry_id=None,
        version=at,
        expected=str(expected),
        actual=str(actual),
    )
