"""Synthetic users in memory: every rule of the real ones, and nothing that survives the process."""

import uuid
from collections.abc import Sequence
from datetime import datetime

import attrs

from adapters.memory.ledger import MemoryLedger
from domain.ports.coordination import Clock
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, Tag
from domain.values.accounts import UserId


@attrs.define
class _Noted:
    user: SyntheticUser
    tag: Tag
    created_at: datetime
    removed: bool = False


class MemorySyntheticUsers:
    """Implements the port SyntheticUsers beside a ledger in memory; each method is one indivisible step."""

    def __init__(self, ledger: MemoryLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._noted: list[_Noted] = []

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Make those that are missing."""
        existing = {noted.user.email for noted in self._of(tag) if not noted.removed}
        for number in range(1, count + 1):
            email = f"synthetic+{tag}-{number}@example.test"
            if email not in existing:
                user = SyntheticUser(user_id=UserId(str(uuid.uuid4())), email=email)
                self._ledger.add_user(user.user_id, email)
                self._noted.append(_Noted(user, tag, self._clock.now()))
        return tuple(noted.user for noted in self._of(tag) if not noted.removed)

    async def groups(self) -> tuple[SyntheticUserGroup, ...]:
        """Return the groups that have users now, oldest first."""
        since: dict[Tag, list[datetime]] = {}
        for noted in self._noted:
            if not noted.removed:
                since.setdefault(noted.tag, []).append(noted.created_at)
        return tuple(SyntheticUserGroup(tag=tag, users=len(times), since=min(times)) for tag, times in since.items())

    async def remove(self, tag: Tag) -> Removal:
        """Remove the group's users, their parked events and undelivered messages."""
        for noted in self._of(tag):
            if not noted.removed:
                self._ledger.delete_user(noted.user.user_id)
                noted.removed = True
        removed = tuple(sorted(noted.user.user_id for noted in self._of(tag)))
        self._forget_traces(removed)
        return Removal(removed=removed, kept=())

    def _forget_traces(self, users: Sequence[UserId]) -> None:
        """Drop the pending messages and events of removed users."""
        links = self._ledger.purchases.links_of_users(users)
        invoices = {link.removeprefix("invoice:") for link in links if link.startswith("invoice:")}
        self._ledger.outbox.withdraw(users=users, invoices=invoices)
        self._ledger.inbox.give_up(users, "its synthetic user was removed")

    def _of(self, tag: Tag) -> list[_Noted]:
        return [noted for noted in self._noted if noted.tag == tag]
