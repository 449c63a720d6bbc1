"""The ledger by its SQL functions, over either transport."""

from collections.abc import Sequence
from datetime import datetime

from adapters.postgres.changes import change_to_json
from adapters.postgres.records import (
    Json,
    account_from_json,
    entry_filter_to_json,
    entry_from_json,
    held_from_json,
    holdings_from_json,
    holdings_query_to_json,
    result_from_json,
    snapshot_from_json,
    snapshot_query_to_json,
)
from adapters.postgres.rpc import Rpc
from domain.changes.changes import Change, CommitResult, Holdings, HoldingsQuery, Snapshot, SnapshotQuery
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.payments.subscriptions import HeldSubscription
from domain.ports.ledger import LedgerUnavailable
from domain.values.accounts import Account, HistoricalBalance, UserId


class SqlLedger:
    """Implements Ledger, Wallets, Accounts, AccountSubscriptions and Thresholds by SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases behind the links."""
        return snapshot_from_json(await self._rpc.value("ledger_read", {"query": snapshot_query_to_json(query)}))

    async def read_all(self, queries: Sequence[SnapshotQuery]) -> tuple[Snapshot, ...]:
        """Return one snapshot per query, all of the same moment, by `ledger_read_all()`."""
        sent = [snapshot_query_to_json(query) for query in queries]
        found = await self._rpc.value("ledger_read_all", {"queries": sent})
        return tuple(map(snapshot_from_json, _one_each(found, sent)))

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all, in one transaction, by `ledger_commit()`; one result per change."""
        sent = [change_to_json(change) for change in changes]
        results = await self._rpc.value("ledger_commit", {"changes": sent})
        return tuple(result_from_json(result) for result in _one_each(results, sent))

    async def holdings(self, query: HoldingsQuery) -> Holdings:
        """Return the wallets, the requests under the keys, and the holds, by `accounts_read_for_spending()`."""
        found = await self._rpc.value("accounts_read_for_spending", {"query": holdings_query_to_json(query)})
        return holdings_from_json(found, has_all_grants=query.taking is None)

    async def accounts_with_overdue(self, limit: int) -> tuple[UserId, ...]:
        """Return at most `limit` users with an overdue hold or grant, longest first, by `accounts_with_overdue()`."""
        return tuple(map(UserId, await self._rpc.value("accounts_with_overdue", {"page_size": limit})))

    async def account(self, user_id: UserId) -> Account | None:
        """Return the account, or None if there is no such user."""
        found = await self._rpc.value("account_read", {"account_id": user_id})
        return account_from_json(found) if found else None

    async def subscriptions_of(self, user_id: UserId) -> tuple[HeldSubscription, ...]:
        """Return the account's subscriptions, newest first, by `account_subscriptions()`."""
        return tuple(map(held_from_json, await self._rpc.value("account_subscriptions", {"account_id": user_id})))

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set or remove an account's own low-balance threshold."""
        found = await self._rpc.value("account_notify_below", {"account_id": user_id, "threshold": threshold})
        return account_from_json(found) if found else None

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """Return at most `limit` entries that match and are older than `before_version`, newest first."""
        query = {
            "account_id": user_id,
            "before_version": before_version,
            "page_size": limit,
            "filters": entry_filter_to_json(wanted),
        }
        rows = await self._rpc.value("account_transactions", query)
        return tuple(entry_from_json(user_id, row) for row in rows)

    async def balance_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance | None:
        """Return the account's credits at a past time, by `balance_at()`; None of a time to come."""
        found = await self._rpc.value("balance_at", {"account_id": user_id, "moment": moment.isoformat()})
        return HistoricalBalance(**found) if found else None


def _one_each(answers: list[Json], sent: Sequence[object]) -> list[Json]:
    if len(answers) != len(sent):
        raise LedgerUnavailable(f"{len(sent)} were sent, and {len(answers)} answered")
    return answers
