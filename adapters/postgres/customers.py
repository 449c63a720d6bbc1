"""The accounts' customers by their SQL functions, over either transport."""

from collections.abc import Collection

from adapters.postgres.rpc import Rpc
from domain.ports.customers import CustomerLink
from domain.values.accounts import UserId
from domain.values.customers import CustomerId


class SqlCustomerLinks:
    """Implements the port CustomerLinks by calls of SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._ledger_id: str | None = None

    async def ledger_id(self) -> str:
        """Return the ledger's id, which never changes, by `ledger_identity()`."""
        if self._ledger_id is None:
            self._ledger_id = str((await self._rpc.value("ledger_identity", {}))["id"])
        return self._ledger_id

    async def customer_of(self, user_id: UserId) -> CustomerLink | None:
        """Return the account's customer by `customer_of()`, or None if it has none yet."""
        found = await self._rpc.value("customer_of", {"account_id": user_id})
        return CustomerLink(**found) if found else None

    async def link(
        self, user_id: UserId, customer_id: CustomerId, *, email: str | None, in_place_of: CustomerId | None = None
    ) -> CustomerLink | None:
        """Let the customer be the account's, where nothing speaks against it, by `customer_link()`."""
        asked = {"account_id": user_id, "customer": customer_id, "address": email, "in_place_of": in_place_of}
        found = await self._rpc.value("customer_link", asked)
        return CustomerLink(**found) if found else None

    async def linked(
        self, customer_ids: Collection[CustomerId], user_ids: Collection[UserId]
    ) -> dict[UserId, CustomerId]:
        """Return the accounts that have one of the customers, and those of the accounts that have any."""
        asked = {"customer_ids": sorted(customer_ids), "account_ids": sorted(user_ids)}
        rows = await self._rpc.value("customers_linked", asked)
        return {UserId(row["user_id"]): CustomerId(row["customer_id"]) for row in rows}

    async def note_deleted(self, customer_id: CustomerId) -> bool:
        """Note that Stripe has the customer no longer, by `customer_deleted()`."""
        return bool(await self._rpc.value("customer_deleted", {"customer": customer_id}))
