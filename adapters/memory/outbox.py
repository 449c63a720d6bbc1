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
    error: str | None = None
    failed_at: datetime | None = None


class MemoryOutbox:
    """Implements the port Outbox in memory; each method is one indivisible step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: dict[int, _Stored] = {}
        self._last_id = 0

    def put(self, messages: Iterable[OutboxMessage]) -> None:
        """Queue messages, each key once."""
        queued = {stored.message.key for stored in self._messages.values()}
        now = self._clock.now()
        for message in messages:
            if message.key not in queued:
                queued.add(message.key)
                self._last_id += 1
                self._messages[self._last_id] = _Stored(message, now, now.timestamp())

    def count(self, *, failed: bool) -> int:
        """Return the number of failed and of pending messages."""
        return sum((stored.failed_at is not None) is failed for stored in self._messages.values())

    def withdraw(self, *, users: Container[str], invoices: Container[str]) -> None:
        """Let nothing be delivered any more that is for one of the users, or is one of the invoices."""
        for key, stored in [*self._messages.items()]:
            payload = stored.message.payload
            if payload.get("user_id") in users or payload.get("invoice_id") in invoices:
                del self._messages[key]

    async def claim(self, topic: str, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Claim messages of a topic that are due; no other claim returns them until the lease has expired."""
        now = self._clock.now().timestamp()
        due = [
            (key, stored)
            for key, stored in self._messages.items()
            if stored.message.topic == topic and stored.failed_at is None and stored.due_at <= now
        ]
        claimed = []
        for key, stored in due[:limit]:
            stored.attempts += 1
            stored.due_at = now + lease_seconds
            claimed.append(
                Message(
                    id=key,
                    key=stored.message.key,
                    topic=topic,
                    payload=stored.message.payload,
                    attempts=stored.attempts,
                    created_at=stored.created_at,
                )
            )
        return tuple(claimed)

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Remove each message that is delivered; record the others as due again later, or failed for good."""
        for outcome in results:
            stored = self._messages.get(outcome.id)
            if stored is None:
                continue
            if outcome.error is None:
                del self._messages[outcome.id]
                continue
            stored.error, stored.failed_at = outcome.error, self._clock.now() if outcome.gives_up else None
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
            for key, stored in self._messages.items()
            if stored.failed_at is not None
        ]
        return tuple(reversed(failed))[:limit]

    async def retry(self, message_id: int) -> bool:
        """Queue a failed message for delivery again."""
        stored = self._messages.get(message_id)
        if stored is None or stored.failed_at is None:
            return False
        stored.failed_at, stored.attempts, stored.due_at = None, 0, self._clock.now().timestamp()
        return True
