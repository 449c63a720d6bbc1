"""Bugs in how the outbox is delivered, and in the cache's copies of accounts."""

from collections.abc import Callable
from typing import Any

import attrs

from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.outbox import MemoryOutbox
from domain.changes.outbox import DeliveryResult
from domain.usecases.deliver_messages import BATCH, LEASE_SECONDS, OutboxWorker
from domain.usecases.read_account import AccountReader, Quota, QuotaSource
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker


async def _stored_anyway(self: MemoryQuotaCache, account: Any) -> None:
    self._accounts[account.user_id] = attrs.evolve(account, email=None)


def _delivered_at_once(claim: Callable[..., Any]) -> Any:
    async def claim_wrong(self: MemoryOutbox, topic: str, limit: int, *, lease_seconds: int) -> Any:
        claimed = await claim(self, topic, limit, lease_seconds=lease_seconds)
        for message in claimed:
            del self._messages[message.id]
        return claimed

    return claim_wrong


async def _settled_first(self: OutboxWorker, topic: str) -> int:
    messages = await self.outbox.claim(topic, BATCH, lease_seconds=LEASE_SECONDS)
    if messages:
        await self.outbox.record_deliveries([DeliveryResult(id=message.id) for message in messages])
    for message in messages:
        await self._send(message)
    return len(messages)


def _renumbered(_: Any) -> Any:
    async def quota(self: AccountReader, user_id: Any) -> Any:
        account = await self.accounts.account(user_id)
        assert account is not None
        await self.cache.store(attrs.evolve(account, version=account.version + 1, revision=account.revision + 1))
        return Quota(account, QuotaSource.LEDGER)

    return quota


BUGS = (
    Bug(
        name="the cache is written without a version",
        description="A late writer brings back an old balance.",
        case="full refund",
        checker=Checker.COPY_BACK,
        patches=(Patch(MemoryQuotaCache, "store", lambda _: _stored_anyway),),
    ),
    Bug(
        name="a reader numbers what it caches",
        description="A reader fills the cache with a version that the ledger never had.",
        case="purchase",
        checker=Checker.COPY,
        patches=(Patch(AccountReader, "quota", _renumbered),),
    ),
    Bug(
        name="messages are delivered once they are claimed",
        description="A worker that dies has delivered all that it claimed.",
        case="purchase with its invoice",
        checker=Checker.INVOICE,
        patches=(Patch(MemoryOutbox, "claim", _delivered_at_once),),
    ),
    Bug(
        name="messages are settled before they are delivered",
        description="Likewise, by the worker itself.",
        case="purchase with its invoice",
        checker=Checker.INVOICE,
        patches=(Patch(OutboxWorker, "run_once", lambda _: _settled_first),),
    ),
)
"""Each of one line."""
