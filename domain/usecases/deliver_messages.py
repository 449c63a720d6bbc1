"""Deliver the outbox: what must follow a commit, at least once, with backoff."""

import attrs

from domain.accounts import UserId
from domain.commits import Message, Settled
from domain.ports import Accounts, CacheUnavailable, Outbox, QuotaCache
from domain.recording import REFRESH_CACHE

BATCH = 100
LEASE_SECONDS = 60
MAX_BACKOFF_SECONDS = 300


@attrs.frozen(kw_only=True)
class OutboxWorker:
    """Delivers messages; any number of workers may run."""

    outbox: Outbox
    accounts: Accounts
    cache: QuotaCache

    async def run_once(self) -> int:
        """Deliver what is due, at most :data:`BATCH` messages; returns how many were claimed.

        :raises LedgerUnavailable: if the outbox or an account could not be read; claims lapse by themselves.
        """
        messages = await self.outbox.claim(BATCH, lease_seconds=LEASE_SECONDS)
        settled = [await self._deliver(message) for message in messages]
        if settled:
            await self.outbox.settle(settled)
        return len(messages)

    async def _deliver(self, message: Message) -> Settled:
        if message.topic != REFRESH_CACHE:
            return Settled(
                id=message.id,
                error=f"no delivery is known for {message.topic}",
                retry_in_seconds=MAX_BACKOFF_SECONDS,
            )
        account = await self.accounts.account(UserId(message.payload["user_id"]))
        try:
            if account is not None:
                await self.cache.store(account)
        except CacheUnavailable as unavailable:
            return Settled(
                id=message.id,
                error=f"cache unavailable: {unavailable.cause}",
                retry_in_seconds=min(2**message.attempts, MAX_BACKOFF_SECONDS),
            )
        return Settled(id=message.id)
