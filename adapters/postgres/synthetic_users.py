"""Synthetic users behind their SQL functions, over whichever transport calls them."""

from datetime import datetime
from typing import Any

from adapters.postgres.rpc import Rpc
from domain.ports.deployment import SyntheticUsersRefused
from domain.upkeep.synthetic_users import NotRemoved, Removal, SyntheticUser, SyntheticUserGroup, Tag
from domain.values.accounts import UserId


class SqlSyntheticUsers:
    """Implements the port SyntheticUsers by calls of SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Make those that are missing; all of them, or none."""
        made: dict[str, Any] = await self._rpc.value(
            "credence_add_synthetic_users", {"rehearsal": tag, "wanted": count}
        )
        if "problem" in made:
            raise SyntheticUsersRefused(str(made["problem"]))
        return tuple(SyntheticUser(user_id=UserId(user["user_id"]), email=user["email"]) for user in made["users"])

    async def groups(self) -> tuple[SyntheticUserGroup, ...]:
        """The rehearsals that have users now, oldest first."""
        return tuple(
            SyntheticUserGroup(tag=Tag(row["tag"]), users=row["users"], since=datetime.fromisoformat(row["since"]))
            for row in await self._rpc.value("credence_list_synthetic_users", {})
        )

    async def remove(self, tag: Tag) -> Removal:
        """Remove the rehearsal's users, and what waits for them."""
        done: dict[str, Any] = await self._rpc.value("credence_remove_synthetic_users", {"rehearsal": tag})
        return Removal(
            removed=tuple(map(UserId, done["removed"])),
            kept=tuple(NotRemoved(user_id=UserId(one["user_id"]), problem=one["problem"]) for one in done["kept"]),
        )
