"""The check of an account in memory: what `validate_credits_consistency()` says of one, under the same names."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from domain.changes.changes import Inconsistency
from domain.credits.explanation import GrantRecord
from domain.credits.holds import Hold
from domain.credits.ledger import LedgerEntry
from domain.values.accounts import Account


def first_inconsistency(
    account: Account, entries: Sequence[LedgerEntry], grants: Sequence[GrantRecord], holds: Sequence[Hold]
) -> Inconsistency | None:
    """Where the account first disagrees with its entries, grants and holds; None where all agrees."""
    kept = [hold for hold in holds if hold.is_open]
    return next(chain(_account(account, entries, grants, kept), _draws(account, entries, grants, kept)), None)


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


def _most(entry: LedgerEntry) -> int:
    """The most that an entry may draw: what it takes, or what it pays of a debt."""
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
