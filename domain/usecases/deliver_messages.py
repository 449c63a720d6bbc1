"""Deliver the outbox: messages that follow a commit, at least once, with backoff and a maximum of attempts."""

from collections.abc import Sequence

import attrs

from domain.changes.outbox import CUSTOMER_ADDRESS, CUSTOMER_DELETED, SEND_INVOICE, DeliveryResult, Message
from domain.decisions.low_balance import LOW_BALANCE, Undelivered, low_balance_notice
from domain.ports.deployment import Notifications
from domain.ports.inbox import Outbox
from domain.ports.payment_provider import Invoices, PaymentsRefused, PaymentsUnavailable
from domain.usecases.selling.customers import CustomerService
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

TOPICS = (SEND_INVOICE, LOW_BALANCE, CUSTOMER_ADDRESS, CUSTOMER_DELETED)
BATCH = 100
LEASE_SECONDS = 60
MAX_BACKOFF_SECONDS = {SEND_INVOICE: 300, LOW_BALANCE: 6 * 3600, CUSTOMER_ADDRESS: 300, CUSTOMER_DELETED: 300}
MAX_ATTEMPTS = {SEND_INVOICE: 1000, LOW_BALANCE: 26, CUSTOMER_ADDRESS: 1000, CUSTOMER_DELETED: 1000}
"""The maximum number of attempts: about three days without Stripe or the operator's system.

Stripe repeats its first response to an idempotency key, even an error, for at least 24 hours
(https://docs.stripe.com/api/idempotent_requests), so an invoice must be tried for longer than that.
"""

MAX_PAUSE_SECONDS = 24 * 3600
"""The longest delay that a receiver may ask for by `Retry-After`."""


@attrs.frozen(kw_only=True)
class OutboxWorker:
    """Delivers messages; any number of workers may run."""

    outbox: Outbox
    invoices: Invoices
    customers: CustomerService
    notifications: Notifications | None = None
    """None if no receiver is configured: then notices stay pending, and fail like other messages in the end."""

    async def run_once(self, topic: str) -> int:
        """Deliver at most :data:`BATCH` due messages of one of :data:`TOPICS`; return how many were claimed.

        :raises LedgerUnavailable: if the outbox could not be reached; claims expire automatically.
        """
        messages = await self.outbox.claim(topic, BATCH, lease_seconds=LEASE_SECONDS)
        if not messages:
            return 0
        if topic == LOW_BALANCE:
            await self.outbox.record_deliveries(await self._notify(messages))
        else:
            await self._send_all(_in_turn(messages))
        return len(messages)

    async def _send_all(self, messages: Sequence[Message]) -> None:
        """Do what each message asks and record each result at once; if the provider is away, leave the rest pending."""
        for place, message in enumerate(messages):
            try:
                sent = await self._send(message)
            except PaymentsUnavailable as unavailable:
                error = f"payments unavailable: {unavailable.cause}"
                untried = [_due_again(other, error) for other in messages[place + 1 :]]
                await self.outbox.record_deliveries([_later(message, error), *untried])
                return
            await self.outbox.record_deliveries([sent])

    async def _send(self, message: Message) -> DeliveryResult:
        payload = message.payload
        try:
            match message.topic:
                case topic if topic == CUSTOMER_ADDRESS:
                    await self.customers.follow_address(UserId(payload["user_id"]))
                case topic if topic == CUSTOMER_DELETED:
                    await self.customers.note_deleted(CustomerId(payload["customer_id"]))
                case _:
                    key = f"credence-send-invoice-{payload['invoice_id']}"
                    await self.invoices.send(payload["invoice_id"], idempotency_key=key)
        except PaymentsRefused as refused:
            return _given_up(message, f"refused: {refused.cause}")
        return DeliveryResult(id=message.id)

    async def _notify(self, messages: Sequence[Message]) -> list[DeliveryResult]:
        if self.notifications is None:
            # Another worker may have the setting, or this one may get it tomorrow.
            return [_later(message, "CREDENCE_NOTIFY_URL is not set") for message in messages]
        outcomes = await self.notifications.send([low_balance_notice(message) for message in messages])
        return [_result(message, outcome) for message, outcome in zip(messages, outcomes, strict=True)]


def _in_turn(messages: Sequence[Message]) -> list[Message]:
    """Return the messages rotated by a varying offset, so that a failing one does not always block the same others."""
    first = messages[0].attempts % len(messages)
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
