"""The inbox and the outbox by their SQL functions, over either transport."""

from collections.abc import Sequence

import msgspec

from adapters.postgres.records import backlog_from_json
from adapters.postgres.rpc import Rpc
from domain.changes.inbox import EventStatus, InboxRecord
from domain.changes.outbox import DeliveryResult, FailedMessage, Message
from domain.upkeep.consistency import Backlog


class SqlInbox:
    """Implements Inbox, Outbox and Backlogs by SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def claim_waiting(
        self, limit: int, *, lease_seconds: int, newest_first: bool = False
    ) -> tuple[InboxRecord, ...]:
        """Claim pending events that are due, by `inbox_claim()`; no other claim gets them until the lease expires."""
        wanted = {"batch": limit, "lease_seconds": lease_seconds, "newest_first": newest_first}
        rows = await self._rpc.value("inbox_claim", wanted)
        return msgspec.convert(rows, tuple[InboxRecord, ...])

    async def find(self, event_id: str) -> InboxRecord | None:
        """Return the event with its body, or None."""
        found = await self._rpc.value("inbox_event", {"event_id": event_id})
        return msgspec.convert(found, InboxRecord | None)

    async def page(
        self, *, statuses: frozenset[EventStatus], before: InboxRecord | None, limit: int
    ) -> tuple[InboxRecord, ...]:
        """Return at most `limit` events with these statuses, newest first, starting after `before`."""
        query = {
            "statuses": sorted(statuses),
            "before_id": before.id if before else None,
            "before_received_at": before.received_at.isoformat() if before else None,
            "limit": limit,
        }
        return msgspec.convert(await self._rpc.value("inbox_list", {"query": query}), tuple[InboxRecord, ...])

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the events that are recorded."""
        return frozenset(await self._rpc.value("inbox_known", {"event_ids": [*event_ids]}))

    async def waits_for(self, object_id: str) -> bool:
        """Return whether a pending event is about the object."""
        return bool(await self._rpc.value("inbox_waits_for", {"about": object_id}))

    async def make_all_due(self) -> None:
        """Make every pending event due now."""
        await self._rpc.value("inbox_make_all_due", {})

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Record that deciding a pending event failed."""
        await self._rpc.value("inbox_fail", {"event_id": event_id, "why": reason})

    async def claim(self, topic: str, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Claim messages of a topic that are due, by `outbox_claim()`; nobody else gets them within the lease."""
        wanted = {"wanted": topic, "batch": limit, "lease_seconds": lease_seconds}
        claimed = await self._rpc.value("outbox_claim", wanted)
        return msgspec.convert(claimed, tuple[Message, ...])

    async def record_deliveries(self, results: Sequence[DeliveryResult]) -> None:
        """Remove what is delivered, and record what is due again or failed, by `outbox_record_deliveries()`."""
        await self._rpc.value("outbox_record_deliveries", {"results": [*results]})

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """Return at most `limit` messages whose delivery failed for good, newest first."""
        rows = await self._rpc.value("outbox_failures", {"page_size": limit})
        return msgspec.convert(rows, tuple[FailedMessage, ...])

    async def retry(self, message_id: int) -> bool:
        """Queue a failed message for delivery again, by `outbox_retry()`."""
        return bool(await self._rpc.value("outbox_retry", {"message_id": message_id}))

    async def backlog(self) -> Backlog:
        """Return the counts of pending events and messages, by `credence_backlog()`."""
        return backlog_from_json(await self._rpc.value("credence_backlog", {}))
