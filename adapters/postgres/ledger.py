"""The ledger behind its SQL functions, over whichever transport calls them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from adapters.postgres.ledger_json import (
    account_record_from_json,
    change_to_json,
    entry_filter_to_json,
    entry_from_json,
    result_from_json,
    snapshot_from_json,
    snapshot_query_to_json,
)
from adapters.postgres.waiting_json import (
    backlog_from_json,
    delivery_result_to_json,
    failed_message_from_json,
    kept_event_from_json,
    message_from_json,
)
from adapters.postgres.wallet_json import account_from_json, holdings_from_json
from domain.changes.changes import (
    Backlog,
    Change,
    CommitResult,
    DeliveryResult,
    EventStatus,
    FailedMessage,
    Holdings,
    InboxRecord,
    Inconsistency,
    Message,
    Snapshot,
    SnapshotQuery,
)
from domain.credits.explanation import AccountRecord
from domain.credits.holds import HoldId
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.payments.purchases import Link
from domain.payments.subscriptions import SubscriptionId
from domain.upkeep.diagnosis import SchemaFacts
from domain.values.accounts import Account, HistoricalBalance, UserId


class Rpc(Protocol):
    """Calls a function of the schema `public` by name.

    Both methods raise :class:`domain.ports.LedgerUnavailable` when there is no answer to trust.
    """

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """The one JSON value that the function returns."""
        ...

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """The rows that the function returns."""
        ...


class SqlLedger:
    """Implements Ledger, Wallets, Accounts, Thresholds, Inbox, Outbox, Audit and Backlogs by SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def read(
        self,
        *,
        event_id: str | None,
        user_id: UserId | None,
        links: frozenset[Link],
        subscription_id: SubscriptionId | None = None,
        periods_since: datetime | None = None,
        claims: bool = False,
        price_ids: frozenset[str] = frozenset(),
    ) -> Snapshot:
        """What the ledger knows of an event, an account, a subscription, and the purchases behind the links."""
        query = SnapshotQuery(
            event_id=event_id,
            user_id=user_id,
            links=links,
            subscription_id=subscription_id,
            periods_since=periods_since,
            claims=claims,
            price_ids=price_ids,
        )
        return snapshot_from_json(await self._rpc.value("ledger_read", {"query": snapshot_query_to_json(query)}))

    async def read_all(self, queries: Sequence[SnapshotQuery]) -> tuple[Snapshot, ...]:
        """What the ledger knows for each query, at one moment."""
        sent = [snapshot_query_to_json(query) for query in queries]
        return tuple(map(snapshot_from_json, await self._rpc.value("ledger_read_all", {"queries": sent})))

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all, all of them in one transaction."""
        sent = [change_to_json(change) for change in changes]
        results = await self._rpc.value("ledger_commit", {"changes": sent})
        return tuple(result_from_json(result) for result in results)

    async def holdings(
        self, *, user_ids: frozenset[UserId], keys: frozenset[str], hold_ids: frozenset[HoldId]
    ) -> Holdings:
        """The wallets of users and of holds' owners, the requests under keys, and the holds."""
        query = {"user_ids": sorted(user_ids), "keys": sorted(keys), "hold_ids": sorted(hold_ids)}
        return holdings_from_json(await self._rpc.value("wallets_read", {"query": query}))

    async def accounts_with_overdue(self, limit: int) -> tuple[UserId, ...]:
        """At most `limit` users with a hold or a grant whose time is over, the longest over first."""
        return tuple(map(UserId, await self._rpc.value("accounts_due", {"page_size": limit})))

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        found = await self._rpc.value("account_read", {"account_id": user_id})
        return account_from_json(found) if found else None

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set an account's own threshold of a low balance, or take it away."""
        found = await self._rpc.value("account_notify_below", {"account_id": user_id, "threshold": threshold})
        return account_from_json(found) if found else None

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """At most `limit` of the entries that are wanted and older than `before_version`, newest first."""
        query = {
            "account_id": user_id,
            "before_version": before_version,
            "page_size": limit,
            "filters": entry_filter_to_json(wanted),
        }
        rows = await self._rpc.value("account_transactions", query)
        return tuple(entry_from_json(user_id, row) for row in rows)

    async def balance_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance:
        """What the account had at the moment."""
        asked = {"account_id": user_id, "moment": moment.isoformat()}
        return HistoricalBalance(**await self._rpc.value("balance_at", asked))

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """What `validate_credits_consistency()` says."""
        return tuple(Inconsistency(**row) for row in await self._rpc.rows("validate_credits_consistency", {}))

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; nobody else gets them until the lease has passed."""
        claimed = await self._rpc.value("outbox_claim", {"batch": limit, "lease_seconds": lease_seconds})
        return tuple(message_from_json(row) for row in claimed)

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Mark messages as delivered, due again later, or given up."""
        await self._rpc.value("outbox_settle", {"settled": [delivery_result_to_json(one) for one in results]})

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """At most `limit` messages whose delivery was given up, newest first."""
        return tuple(map(failed_message_from_json, await self._rpc.value("outbox_failures", {"page_size": limit})))

    async def retry(self, message_id: int) -> bool:
        """Let a message that was given up be delivered after all."""
        return bool(await self._rpc.value("outbox_retry", {"message_id": message_id}))

    async def claim_waiting(self, limit: int, *, lease_seconds: int) -> tuple[InboxRecord, ...]:
        """Events that wait and are due; nobody else gets them until the lease has passed."""
        rows = await self._rpc.value("inbox_claim", {"batch": limit, "lease_seconds": lease_seconds})
        return tuple(map(kept_event_from_json, rows))

    async def find(self, event_id: str) -> InboxRecord | None:
        """The event with its body, or None."""
        found = await self._rpc.value("inbox_event", {"event_id": event_id})
        return kept_event_from_json(found) if found else None

    async def page(
        self, *, statuses: frozenset[EventStatus], before: InboxRecord | None, limit: int
    ) -> tuple[InboxRecord, ...]:
        """At most `limit` events of these statuses, newest first, those after `before`."""
        query = {
            "statuses": sorted(statuses),
            "before_id": before.id if before else None,
            "before_received_at": before.received_at.isoformat() if before else None,
            "limit": limit,
        }
        return tuple(map(kept_event_from_json, await self._rpc.value("inbox_list", {"query": query})))

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Those of the events that are recorded."""
        return frozenset(await self._rpc.value("inbox_known", {"event_ids": [*event_ids]}))

    async def waits_for(self, object_id: str) -> bool:
        """Whether an event of the object waits."""
        return bool(await self._rpc.value("inbox_waits_for", {"about": object_id}))

    async def make_all_due(self) -> None:
        """Let every event that waits be due now."""
        await self._rpc.value("inbox_hasten", {})

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Note that deciding about a waiting event failed."""
        await self._rpc.value("inbox_fail", {"event_id": event_id, "why": reason})

    async def backlog(self) -> Backlog:
        """What waits now."""
        return backlog_from_json(await self._rpc.value("credence_backlog", {}))

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """At most `limit` accounts in the order of their ids."""
        rows = await self._rpc.value("accounts_after", {"account_id": user_id, "page_size": limit})
        return tuple(map(account_from_json, rows))

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Those of the accounts that exist."""
        return tuple(map(account_from_json, await self._rpc.value("accounts_of", {"account_ids": [*user_ids]})))

    async def recompute(self, user_id: UserId) -> Account | None:
        """Bring an account in line with its entries by `sync_user_credits()`; None where there is no such user."""
        if await self.account(user_id) is None:
            return None
        await self._rpc.rows("sync_user_credits", {"account_id": user_id})
        return await self.account(user_id)

    async def record_of(self, user_id: UserId) -> AccountRecord | None:
        """All that the ledger has of an account; None where nothing is known of such a user."""
        found = await self._rpc.value("account_record", {"account_id": user_id})
        record = account_record_from_json(user_id, found)
        return record if record.account or record.entries or record.purchases else None

    async def schema(self) -> SchemaFacts:
        """What `credence_diagnosis()` says."""
        found = await self._rpc.value("credence_diagnosis", {})
        return msgspec.convert(found, SchemaFacts)
