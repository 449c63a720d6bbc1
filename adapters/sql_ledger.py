"""The ledger behind its SQL functions, over whichever transport calls them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from adapters.ledger_json import (
    account_from_json,
    change_to_json,
    entry_from_json,
    message_from_json,
    result_from_json,
    settled_to_json,
    snapshot_from_json,
)
from domain.accounts import Account, UserId
from domain.commits import Change, CommitResult, Inconsistency, Message, Settled, Snapshot
from domain.ledger import LedgerEntry
from domain.purchases import Link


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
    """Implements the ports Ledger, Accounts, Audit and Outbox by calls of SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def read(self, *, event_id: str | None, user_id: UserId | None, links: frozenset[Link]) -> Snapshot:
        """What the ledger knows of an event, an account, and the purchases behind the links."""
        query = {"event_id": event_id, "user_id": user_id, "links": sorted(links)}
        return snapshot_from_json(await self._rpc.value("ledger_read", {"query": query}))

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all, all of them in one transaction."""
        sent = [change_to_json(change) for change in changes]
        results = await self._rpc.value("ledger_commit", {"changes": sent})
        return tuple(result_from_json(result) for result in results)

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        found = await self._rpc.value("account_read", {"account_id": user_id})
        return account_from_json(found) if found else None

    async def entries(self, user_id: UserId, *, before_version: int | None, limit: int) -> tuple[LedgerEntry, ...]:
        """At most `limit` entries older than `before_version`, newest first."""
        rows = await self._rpc.value(
            "account_transactions",
            {"account_id": user_id, "before_version": before_version, "page_size": limit},
        )
        return tuple(entry_from_json(user_id, row) for row in rows)

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """What `validate_credits_consistency()` says."""
        return tuple(Inconsistency(**row) for row in await self._rpc.rows("validate_credits_consistency", {}))

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; nobody else gets them until the lease has passed."""
        claimed = await self._rpc.value("outbox_claim", {"batch": limit, "lease_seconds": lease_seconds})
        return tuple(message_from_json(row) for row in claimed)

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Mark messages as delivered, or due again later."""
        await self._rpc.value("outbox_settle", {"settled": [settled_to_json(one) for one in settled]})
