"""Read the inbox: the recorded events and their status."""

import attrs

from domain.changes.inbox import EventStatus, InboxRecord
from domain.ports.inbox import Inbox
from domain.usecases.retry_inbox import UnknownEvent


@attrs.frozen(kw_only=True)
class InboxPage:
    """One page of events without bodies, newest first; pass `next_after` to get the next page; None on the last one."""

    events: tuple[InboxRecord, ...]
    next_after: str | None


@attrs.frozen(kw_only=True)
class InboxReader:
    """Reads the events of the inbox."""

    inbox: Inbox

    async def event(self, event_id: str) -> InboxRecord:
        """Return an event with the exact body that was signed.

        :raises UnknownEvent: if it was never recorded.
        :raises LedgerUnavailable: if the inbox could not be reached.
        """
        found = await self.inbox.find(event_id)
        if found is None:
            raise UnknownEvent(event_id)
        return found

    async def page(self, *, statuses: frozenset[EventStatus], after: str | None, limit: int) -> InboxPage:
        """Return at most `limit` events with these statuses, newest first, starting after `after` if given.

        :raises UnknownEvent: if there is no event `after`.
        :raises LedgerUnavailable: if the inbox could not be reached.
        """
        before = await self.event(after) if after is not None else None
        found = await self.inbox.page(statuses=statuses, before=before, limit=limit + 1)
        events = found[:limit]
        return InboxPage(events=events, next_after=events[-1].id if len(found) > limit else None)
