"""The outbox in memory: every rule of the real one, and nothing that survives the process."""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

import attrs

from domain.changes.outbox import DeliveryResult, FailedMessage, Message, OutboxMessage
from domain.ports.coordination import Clock


@attrs.define
class _Stored:
    message: OutboxMessage
    created_at: datetime
    due_at: float
    attempts: int = 0
    delivered: bool = False
    error: str | None = None
    failed_at: datetime | None = None


class MemoryOutbox:
    """Implements the port Outbox in memory; each method is one indivisible step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: list[_Stored] = []

    def put(self, messages: Iterable[OutboxMessage]) -> None:
        """Queue messages, each key once."""
        queued = {stored.message.key for stored in self._messages}
        now = self._clock.now()
        self._messages += [_Stored(message, now, now.timestamp()) for message in messages if message.key not in queued]

    def count(self, *, failed: bool) -> int:
        """Return the number of failed and of pending messages."""
        return sum((stored.failed_at is not None) is failed for stored in self._messages if not stored.delivered)

    def withdraw(self, *, users: Container[str], invoices: Container[str]) -> None:
        """Let nothing be delivered any more that is for one of the users, or is one of the invoices."""
        for stored in self._messages:
            payload = stored.message.payload
            if payload.get("user_id") in users or payload.get("invoice_id") in invoices:
                stored.delivered, stored.failed_at = True, None

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Claim messages that are due; no other claim returns them until the lease has expired."""
        now = self._clock.now().timestamp()
        claimed: list[Message] = []
        for key, stored in enumerate(self._messages):
            if len(claimed) == limit:
                break
            if stored.delivered or stored.failed_at is not None or stored.due_at > now:
                continue
            stored.attempts += 1
            stored.due_at = now + lease_seconds
            message = stored.message
            claimed.append(
                Message(
                    id=key,
                    key=message.key,
                    topic=message.topic,
                    payload=message.payload,
                    attempts=stored.attempts,
                    created_at=stored.created_at,
                )
            )
        return tuple(claimed)

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Record each message as delivered, due again later, or failed for good."""
        for outcome in results:
            stored = self._messages[outcome.id]
            if stored.delivered:
                continue
            stored.delivered, stored.error = outcome.error is None, outcome.error
            stored.failed_at = self._clock.now() if outcome.error is not None and outcome.gives_up else None
            stored.due_at = self._clock.now().timestamp() + outcome.retry_in_seconds

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """Return at most `limit` messages whose delivery failed for good, newest first."""
        failed = [
            FailedMessage(
                id=key,
                topic=stored.message.topic,
                payload=stored.message.payload,
                attempts=stored.attempts,
                error=stored.error or "",
                failed_at=stored.failed_at,
            )
            for key, stored in enumerate(self._messages)
            if stored.failed_at is not None
        ]
        return tuple(reversed(failed))[:limit]

    async def retry(self, message_id: int) -> bool:
        """Queue a failed message for delivery again."""
        if not 0 <= message_id < len(self._messages) or self._messages[message_id].failed_at is None:
            return False
        stored = self._messages[message_id]
        stored.failed_at, stored.attempts, stored.due_at = None, 0, self._clock.now().timestamp()
        return True
