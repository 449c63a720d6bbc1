"""The ledger's audit by its SQL functions, over either transport."""

from collections.abc import Sequence

import msgspec

from adapters.postgres.records import account_from_json, account_record_from_json
from adapters.postgres.rpc import Rpc
from domain.changes.walks import ChangedAccounts
from domain.credits.records import MAX_RECORDS, NEWEST, AccountRecord, AccountSums, RecordPlace
from domain.upkeep.consistency import Inconsistency
from domain.upkeep.diagnosis import ConnectionKind, SchemaFacts
from domain.values.accounts import Account, UserId


class SqlAudit:
    """Implements Audit, AccountWalk and Schema by SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """Return the inconsistencies found by `validate_credits_consistency()`."""
        return tuple(Inconsistency(**row) for row in await self._rpc.rows("validate_credits_consistency", {}))

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """Return at most `limit` accounts in the order of their ids, by `accounts_after()`."""
        rows = await self._rpc.value("accounts_after", {"account_id": user_id, "page_size": limit})
        return tuple(map(account_from_json, rows))

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Return those of the accounts that exist."""
        return tuple(map(account_from_json, await self._rpc.value("accounts_of", {"account_ids": [*user_ids]})))

    async def recompute(self, user_id: UserId) -> Account | None:
        """Recompute an account by `sync_user_credits()`; return it, or None if there is no such user."""
        if await self._rpc.value("account_read", {"account_id": user_id}) is None:
            return None
        await self._rpc.rows("sync_user_credits", {"account_id": user_id})
        found = await self._rpc.value("account_read", {"account_id": user_id})
        return account_from_json(found) if found else None

    async def changed_accounts(self, limit: int, *, lease_seconds: int) -> ChangedAccounts | None:
        """Return the accounts of about `limit` changes after the mark, by `accounts_changed()`; None without any."""
        asked = {"page_size": limit, "lease_seconds": lease_seconds}
        found = await self._rpc.value("accounts_changed", asked)
        if found is None:
            return None
        accounts = tuple(map(account_from_json, found["accounts"]))
        return ChangedAccounts(**{**found, "accounts": accounts, "gone": tuple(map(UserId, found["gone"]))})

    async def move_mark(self, walked: ChangedAccounts) -> None:
        """Move the mark after these changes, by `accounts_walked()`."""
        await self._rpc.value("accounts_walked", {"since": walked.since, "until": walked.until})

    async def record_of(
        self, user_id: UserId, *, place: RecordPlace = NEWEST, limit: int = MAX_RECORDS
    ) -> AccountRecord | None:
        """Return a page of an account's records by `account_record()`, or None if the ledger never knew such a user."""
        query = {**msgspec.to_builtins(place), "limit": limit}
        found = await self._rpc.value("account_record", {"account_id": user_id, "query": query})
        record = account_record_from_json(user_id, found)
        is_known = record.account or record.entries or record.purchases or place != NEWEST
        return record if is_known else None

    async def sums_of(self, user_id: UserId) -> AccountSums:
        """Return what all of an account's entries come to."""
        return AccountSums(**await self._rpc.value("account_sums", {"account_id": user_id}))

    async def identity(self) -> str:
        """Return the ledger's id, a uuid that was made with it."""
        return str((await self._rpc.value("ledger_identity", {}))["id"])

    async def schema(self) -> SchemaFacts:
        """Return the schema's state by `credence_diagnosis()`."""
        found = await self._rpc.value("credence_diagnosis", {})
        return msgspec.convert(found, SchemaFacts)

    async def connection_kind(self) -> ConnectionKind:
        """Return what the transport finds out."""
        return await self._rpc.connection_kind()
