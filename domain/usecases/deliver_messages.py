"""Deliver the outbox: what must follow a commit, at least once, with backoff and an end."""

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
"""That is some three days without a cache, without Stripe, or without the operator's system.

Stripe gives back what it answered first under an idempotency key, an error of its own too, for a day or more
(https://docs.stripe.com/api/idempotent_requests): an invoice must be tried for longer.
"""

MAX_PAUSE_SECONDS = 24 * 3600
"""The longest that a receiver may ask not to be told again."""


@attrs.frozen(kw_only=True)
class OutboxWorker:
    """Delivers messages; any number of workers may run."""

    outbox: Outbox
    accounts: Accounts
    cache: QuotaCache
    invoices: Invoices
    notifications: Notifications | None = None
    """None where it is not known who is to be told: then notices wait, and are given up like others."""

    async def run_once(self) -> int:
        """Deliver what is due, at most :data:`BATCH` messages; returns how many were claimed.

        :raises LedgerUnavailable: if the outbox or an account could not be read; claims lapse by themselves.
        """
        messages = await self.outbox.claim(BATCH, lease_seconds=LEASE_SECONDS)
        # Each part is settled before the next begins: whoever is slow must not keep the cache waiting.
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
                    return _given_up(message, f"no delivery is known for {topic}")
        except PaymentsRefused as refused:
            return _given_up(message, f"refused: {refused.cause}")
        except CacheUnavailable as unavailable:
            return _later(message, f"cache unavailable: {unavailable.cause}")
        return DeliveryResult(id=message.id)

    async def _send_all(self, messages: Sequence[Message]) -> None:
        """Send invoices, each settled at once; where the provider can't be asked, the rest waits without a try."""
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
            # Another worker may know the address, or this one may be told of it tomorrow.
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
    """Return the messages, from another one on each time, so that none that fails keeps the same ones waiting."""
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
