"""Synthetic users by their SQL functions, over either transport."""

from typing import Any

import msgspec

from adapters.postgres.rpc import Rpc
from domain.ports.deployment import SyntheticUsersRefused
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, Tag


class SqlSyntheticUsers:
    """Implements the port SyntheticUsers by calls of SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Create the missing users; all of them, or none."""
        made: dict[str, Any] = await self._rpc.value(
            "credence_add_synthetic_users", {"group_tag": tag, "wanted": count}
        )
        if "users" not in made:
            raise SyntheticUsersRefused(str(made.get("problem", "the ledger made none")))
        return msgspec.convert(made["users"], tuple[SyntheticUser, ...])

    async def groups(self) -> tuple[SyntheticUserGroup, ...]:
        """Return the groups that have users now, oldest first."""
        rows = await self._rpc.value("credence_list_synthetic_users", {})
        return msgspec.convert(rows, tuple[SyntheticUserGroup, ...])

    async def remove(self, tag: Tag) -> Removal:
        """Remove the group's users, their parked events and undelivered messages."""
        done = await self._rpc.value("credence_remove_synthetic_users", {"group_tag": tag})
        return msgspec.convert(done, Removal)
