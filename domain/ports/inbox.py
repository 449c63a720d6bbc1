"""What waits at the ledger: events to decide again, and messages to deliver."""

from collections.abc import Sequence
from typing import Protocol

from domain.changes.inbox import EventStatus, InboxRecord
from domain.changes.outbox import DeliveryResult, FailedMessage, Message
from domain.upkeep.consistency import Backlog


class Inbox(Protocol):
    """The events that were recorded, to look at and to decide again.

    Every method raises :class:`domain.ports.ledger.LedgerUnavailable`.
    """

    async def claim_waiting(self, limit: int, *, lease_seconds: int) -> tuple[InboxRecord, ...]:
        """Events that wait and are due for another try, longest due first, with their bodies; each for one claim."""
        ...

    async def find(self, event_id: str) -> InboxRecord | None:
        """The event with its body, or None where it was never recorded."""
        ...

    async def page(
        self, *, statuses: frozenset[EventStatus], before: InboxRecord | None, limit: int
    ) -> tuple[InboxRecord, ...]:
        """At most `limit` events of these statuses without their bodies, newest first, those after `before`."""
        ...

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Those of the events that are recorded, whatever became of them."""
        ...

    async def waits_for(self, object_id: str) -> bool:
        """Whether an event that tells of the object waits."""
        ...

    async def make_all_due(self) -> None:
        """Let every event that waits be due now; what is due already stays before it."""
        ...

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Note that deciding about a waiting event failed; it is tried again later."""
        ...


class Backlogs(Protocol):
    """How much waits. Raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def backlog(self) -> Backlog:
        """What waits now."""
        ...


class Outbox(Protocol):
    """Messages that must follow a commit. Every method raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; no other claim gets them until the lease has passed."""
        ...

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Mark messages as delivered, due again later, or given up."""
        ...

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """At most `limit` messages whose delivery was given up, newest first."""
        ...

    async def retry(self, message_id: int) -> bool:
        """Let a message that was given up be delivered after all; False where there is none of that id."""
        ...
