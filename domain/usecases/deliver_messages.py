"""Deliver the outbox: messages that follow a commit, at least once, with backoff and a maximum of attempts."""

from collections.abc import Sequence

import attrs

from domain.changes.outbox import REFRESH_CACHE, SEND_INVOICE, DeliveryResult, Message
from domain.decisions.low_balance import LOW_BALANCE, Undelivered, low_balance_notice
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.deployment import Notifications
from domain.ports.inbox import Outbox
from domain.ports.ledger import Accounts
from domain.ports.payment_provider import Invoices, PaymentsRefused, PaymentsUnavailable
from domain.values.accounts import UserId

BATCH = 100
LEASE_SECONDS = 60
MAX_BACKOFF_SECONDS = {REFRESH_CACHE: 300, SEND_INVOICE: 300, LOW_BALANCE: 6 * 3600}
MAX_ATTEMPTS = {REFRESH_CACHE: 1000, SEND_INVOICE: 1000, LOW_BALANCE: 26}
"""The maximum number of attempts: about three days without the cache, Stripe or the operator's system.

Stripe repeats its first response to an idempotency key, even an error, for at least 24 hours
(https://docs.stripe.com/api/idempotent_requests), so an invoice must be tried for longer than that.
"""

MAX_PAUSE_SECONDS = 24 * 3600
"""The longest delay that a receiver may ask for by `Retry-After`."""


@attrs.frozen(kw_only=True)
class OutboxWorker:
    """Delivers messages; any number of workers may run."""

    outbox: Outbox
    accounts: Accounts
    cache: QuotaCache
    invoices: Invoices
    notifications: Notifications | None = None
    """None if no receiver is configured: then notices stay pending, and fail like other messages in the end."""

    async def run_once(self) -> int:
        """Deliver at most :data:`BATCH` due messages; return how many were claimed.

        :raises LedgerUnavailable: if the outbox or an account could not be read; claims expire automatically.
        """
        messages = await self.outbox.claim(BATCH, lease_seconds=LEASE_SECONDS)
        # Record each part before the next begins, so that a slow receiver does not delay the cache.
        if at_once := [message for message in messages if message.topic not in {SEND_INVOICE, LOW_BALANCE}]:
            await self.outbox.record_deliveries([await self._deliver(message) for message in at_once])
        if notices := [message for message in messages if message.topic == LOW_BALANCE]:
            await self.outbox.record_deliveries(await self._notify(notices))
        await self._send_all(_in_turn([message for message in messages if message.topic == SEND_INVOICE]))
        return len(messages)

    async def _deliver(self, message: Message) -> DeliveryResult:
        try:
            match message.topic:
                case "refresh_cache":
                    await self._refresh(UserId(message.payload["user_id"]))
                case "send_invoice":
                    id_ = message.payload["invoice_id"]
                    await self.invoices.send(id_, idempotency_key=f"credence-send-invoice-{id_}")
                case topic:
                    return _given_up(message, f"unknown topic {topic}")
        except PaymentsRefused as refused:
            return _given_up(message, f"refused: {refused.cause}")
        except CacheUnavailable as unavailable:
            return _later(message, f"cache unavailable: {unavailable.cause}")
        return DeliveryResult(id=message.id)

    async def _send_all(self, messages: Sequence[Message]) -> None:
        """Send invoices and record each result at once; if the provider is unreachable, leave the rest pending."""
        for place, message in enumerate(messages):
            try:
                settled = [await self._deliver(message)]
            except PaymentsUnavailable as unavailable:
                error = f"payments unavailable: {unavailable.cause}"
                untried = [_due_again(other, error) for other in messages[place + 1 :]]
                await self.outbox.record_deliveries([_later(message, error), *untried])
                return
            await self.outbox.record_deliveries(settled)

    async def _notify(self, messages: Sequence[Message]) -> list[DeliveryResult]:
        if self.notifications is None:
            # Another worker may have the setting, or this one may get it tomorrow.
            return [_later(message, "CREDENCE_NOTIFY_URL is not set") for message in messages]
        outcomes = await self.notifications.send([low_balance_notice(message) for message in messages])
        return [_result(message, outcome) for message, outcome in zip(messages, outcomes, strict=True)]

    async def _refresh(self, user_id: UserId) -> None:
        account = await self.accounts.account(user_id)
        if account is not None:
            await self.cache.store(account)
        else:
            await self.cache.forget(user_id)


def _in_turn(messages: Sequence[Message]) -> list[Message]:
    """Return the messages rotated by a varying offset, so that a failing one does not always block the same others."""
    first = messages[0].attempts % len(messages) if messages else 0
    return [*messages[first:], *messages[:first]]


def _result(message: Message, outcome: Undelivered | None) -> DeliveryResult:
    if outcome is None:
        return DeliveryResult(id=message.id)
    if outcome.is_final:
        return _given_up(message, outcome.cause)
    return _later(message, outcome.cause, at_least=min(outcome.wants_pause_seconds, MAX_PAUSE_SECONDS))


def _later(message: Message, error: str, *, at_least: int = 0) -> DeliveryResult:
    if message.attempts >= MAX_ATTEMPTS[message.topic]:
        return _given_up(message, error)
    return _due_again(message, error, at_least=at_least)


def _due_again(message: Message, error: str, *, at_least: int = 0) -> DeliveryResult:
    pause = min(2 ** min(message.attempts, 20), MAX_BACKOFF_SECONDS[message.topic])
    return DeliveryResult(id=message.id, error=error, retry_in_seconds=max(pause, at_least))


def _given_up(message: Message, error: str) -> DeliveryResult:
    return DeliveryResult(id=message.id, error=error, gives_up=True)
