"""Deliver the outbox: what must follow a commit, at least once, with backoff and an end."""

import attrs

from domain.accounts import UserId
from domain.commits import Message, Settled
from domain.ports import (
    Accounts,
    CacheUnavailable,
    Invoices,
    Outbox,
    PaymentsRefused,
    PaymentsUnavailable,
    QuotaCache,
)
from domain.recording import REFRESH_CACHE, SEND_INVOICE

BATCH = 100
LEASE_SECONDS = 60
MAX_BACKOFF_SECONDS = 300
MAX_ATTEMPTS = {REFRESH_CACHE: 1000, SEND_INVOICE: 100}
"""At five minutes each that is three days without a cache, and eight hours without Stripe."""


@attrs.frozen(kw_only=True)
class OutboxWorker:
    """Delivers messages; any number of workers may run."""

    outbox: Outbox
    accounts: Accounts
    cache: QuotaCache
    invoices: Invoices

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
        try:
            match message.topic:
                case "refresh_cache":
                    await self._refresh(UserId(message.payload["user_id"]))
                case "send_invoice":
                    await self._send(message.payload["invoice_id"])
                case topic:
                    return _given_up(message, f"no delivery is known for {topic}")
        except PaymentsRefused as refused:
            return _given_up(message, f"refused: {refused.cause}")
        except CacheUnavailable as unavailable:
            return _later(message, f"cache unavailable: {unavailable.cause}")
        except PaymentsUnavailable as unavailable:
            return _later(message, f"payments unavailable: {unavailable.cause}")
        return Settled(id=message.id)

    async def _refresh(self, user_id: UserId) -> None:
        account = await self.accounts.account(user_id)
        if account is not None:
            await self.cache.store(account)

    async def _send(self, invoice_id: str) -> None:
        await self.invoices.send(invoice_id, idempotency_key=f"credence-send-invoice-{invoice_id}")


def _later(message: Message, error: str) -> Settled:
    if message.attempts >= MAX_ATTEMPTS[message.topic]:
        return _given_up(message, error)
    pause = min(2 ** min(message.attempts, 20), MAX_BACKOFF_SECONDS)
    return Settled(id=message.id, error=error, retry_in_seconds=pause)


def _given_up(message: Message, error: str) -> Settled:
    return Settled(id=message.id, error=error, gives_up=True)
