"""Read the inbox: the events that were recorded, and what became of them."""

import attrs

from domain.changes.inbox import EventStatus, InboxRecord
from domain.ports.inbox import Inbox
from domain.usecases.retry_inbox import UnknownEvent


@attrs.frozen(kw_only=True)
class InboxPage:
    """Events without their bodies, newest first; `next_after` is the event that the next page follows, if any."""

    events: tuple[InboxRecord, ...]
    next_after: str | None


@attrs.frozen(kw_only=True)
class InboxReader:
    """Reads the events of the inbox."""

    inbox: Inbox

    async def event(self, event_id: str) -> InboxRecord:
        """Return an event with the exact body that was signed.

        :raises UnknownEvent: if it was never recorded.
        :raises LedgerUnavailable: if the inbox could not be asked.
        """
        found = await self.inbox.find(event_id)
        if found is None:
            raise UnknownEvent(event_id)
        return found

    async def page(self, *, statuses: frozenset[EventStatus], after: str | None, limit: int) -> InboxPage:
        """Return at most `limit` events of these statuses, from the newest on or those that follow `after`.

        :raises UnknownEvent: if there is no event `after` which to go on.
        :raises LedgerUnavailable: if the inbox could not be asked.
        """
        before = await self.event(after) if after is not None else None
        found = await self.inbox.page(statuses=statuses, before=before, limit=limit + 1)
        events = found[:limit]
        return InboxPage(events=events, next_after=events[-1].id if len(found) > limit else None)
