"""The ledger's inbox and outbox: events to decide again, and messages to deliver."""

from collections.abc import Sequence
from typing import Protocol

from domain.changes.inbox import EventStatus, InboxRecord
from domain.changes.outbox import DeliveryResult, FailedMessage, Message
from domain.upkeep.consistency import Backlog


class Inbox(Protocol):
    """The recorded events, to read and to retry.

    Every method raises :class:`domain.ports.ledger.LedgerUnavailable`.
    """

    async def claim_waiting(
        self, limit: int, *, lease_seconds: int, newest_first: bool = False
    ) -> tuple[InboxRecord, ...]:
        """Claim pending events that are due, and return them with their bodies.

        If more than `limit` are due, the longest due come first; with `newest_first` those received last.
        """
        ...

    async def find(self, event_id: str) -> InboxRecord | None:
        """Return the event with its body, or None if it was never recorded."""
        ...

    async def page(
        self, *, statuses: frozenset[EventStatus], before: InboxRecord | None, limit: int
    ) -> tuple[InboxRecord, ...]:
        """Return at most `limit` events with these statuses, without bodies, newest first, starting after `before`."""
        ...

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Return the ids that are recorded, whatever their status."""
        ...

    async def waits_for(self, object_id: str) -> bool:
        """Return whether a pending event is about the object."""
        ...

    async def make_all_due(self) -> None:
        """Make every pending event due now; events that are due already keep their place before the others."""
        ...

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Record that deciding a pending event failed; it is retried later."""
        ...


class Backlogs(Protocol):
    """Counts of what is pending. Raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def backlog(self) -> Backlog:
        """Return the counts of pending events and messages."""
        ...


class Outbox(Protocol):
    """Messages that must follow a commit. Every method raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def claim(self, topic: str, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Claim messages of a topic that are due; no other claim returns them until the lease has expired."""
        ...

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Remove each message that is delivered; record the others as due again later, or failed for good."""
        ...

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """Return at most `limit` messages whose delivery failed for good, newest first."""
        ...

    async def retry(self, message_id: int) -> bool:
        """Queue a failed message for delivery again; return False if there is none with that id."""
        ...
