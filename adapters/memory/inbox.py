"""The inbox in memory, with the rules of the real one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from domain.changes.inbox import EventDecision, EventStatus, InboxRecord
from domain.ports.coordination import Clock
from domain.values.accounts import UserId

MAX_PAUSE_SECONDS = 3600


@attrs.define
class _Kept:
    decision: EventDecision
    affected_users: tuple[UserId, ...]
    purchase_id: str | None
    received_at: datetime
    attempts: int = 1
    retry_at: datetime | None = None


class MemoryInbox:
    """Implements the port Inbox in memory; each method is atomic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def keep(self, decision: EventDecision, affected_users: tuple[UserId, ...], purchase_id: str | None) -> None:
        """Store an event with its decision; a pending one gets the new decision."""
        now = self._clock.now()
        known = self._kept.get(decision.event.id)
        if known is None:
            known = self._kept[decision.event.id] = _Kept(decision, affected_users, purchase_id, now)
        else:
            event = attrs.evolve(decision.event, body=known.decision.event.body)
            known.decision = attrs.evolve(decision, event=event)
            known.affected_users, known.purchase_id = affected_users, purchase_id
            known.attempts += 1
        known.retry_at = None if decision.status.is_final else now + _pause(known.attempts)

    def status(self, event_id: str) -> EventStatus | None:
        """Return the stored result of an event."""
        known = self._kept.get(event_id)
        return known.decision.status if known else None

    def statuses(self) -> dict[str, EventStatus]:
        """Return the stored result of each event, in the order of arrival."""
        return {event_id: kept.decision.status for event_id, kept in self._kept.items()}

    def affected_users(self, event_id: str) -> tuple[UserId, ...]:
        """Return the accounts that an event changed."""
        return self._kept[event_id].affected_users

    def waiting(self) -> dict[tuple[str, str], int]:
        """Return the number of pending events, by status and reason."""
        counts: dict[tuple[str, str], int] = {}
        for kept in self._kept.values():
            if not kept.decision.status.is_final:
                key = kept.decision.status.value, (kept.decision.reason or "").partition(":")[0]
                counts[key] = counts.get(key, 0) + 1
        return counts

    def give_up(self, users: Sequence[UserId], reason: str) -> None:
        """Ignore pending events that name one of the users."""
        for kept in self._kept.values():
            waits, body = not kept.decision.status.is_final, kept.decision.event.body
            if waits and any(user in body for user in users):
                kept.decision = attrs.evolve(kept.decision, status=EventStatus.IGNORED, reason=reason)
                kept.retry_at = None

    async def claim_waiting(
        self, limit: int, *, lease_seconds: int, newest_first: bool = False
    ) -> tuple[InboxRecord, ...]:
        """Claim pending events that are due; no other claim returns them until the lease has expired."""
        now = self._clock.now()
        due = [(kept.retry_at, kept) for kept in self._kept.values() if kept.retry_at and kept.retry_at <= now]
        if newest_first:
            due.sort(key=lambda one: one[1].received_at, reverse=True)
        else:
            due.sort(key=lambda one: one[0])
        claimed = [kept for _, kept in due[:limit]]
        claimed.sort(key=lambda kept: kept.received_at, reverse=newest_first)
        for kept in claimed:
            kept.retry_at = now + timedelta(seconds=lease_seconds)
        return tuple(_shown(kept, with_body=True) for kept in claimed)

    async def find(self, event_id: str) -> InboxRecord | None:
        """Return the event with its body, or None."""
        known = self._kept.get(event_id)
        return _shown(known, with_body=True) if known else None

    async def page(
        self, *, statuses: frozenset[EventStatus], before: InboxRecord | None, limit: int
    ) -> tuple[InboxRecord, ...]:
        """Return at most `limit` events with these statuses, newest first, starting after `before`."""
        shown = [_shown(kept, with_body=False) for kept in self._kept.values() if kept.decision.status in statuses]
        shown.sort(key=lambda event: (event.received_at, event.id), reverse=True)
        if before is not None:
            shown = [event for event in shown if (event.received_at, event.id) < (before.received_at, before.id)]
        return tuple(shown[:limit])

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the events that are recorded."""
        return frozenset(event_ids) & self._kept.keys()

    async def waits_for(self, object_id: str) -> bool:
        """Return whether a pending event is about the object."""
        return any(
            kept.decision.event.object_id == object_id and not kept.decision.status.is_final
            for kept in self._kept.values()
        )

    async def make_all_due(self) -> None:
        """Make every pending event due now; events that are due already keep their place before the others."""
        now = self._clock.now()
        for kept in self._kept.values():
            kept.retry_at = None if kept.retry_at is None else min(kept.retry_at, now)

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Record that deciding a pending event failed."""
        known = self._kept.get(event_id)
        if known is not None and not known.decision.status.is_final:
            known.decision = attrs.evolve(known.decision, status=EventStatus.FAILED, reason=reason)
            known.attempts += 1
            known.retry_at = self._clock.now() + _pause(known.attempts)


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(10 * 2 ** min(attempts - 1, 12), MAX_PAUSE_SECONDS))


def _shown(kept: _Kept, *, with_body: bool) -> InboxRecord:
    event = kept.decision.event
    return InboxRecord(
        id=event.id,
        type=event.type,
        status=kept.decision.status,
        reason=kept.decision.reason,
        attempts=kept.attempts,
        received_at=kept.received_at,
        session_id=event.session_id,
        object_id=event.object_id,
        purchase_id=kept.purchase_id,
        body=event.body if with_body else None,
    )
