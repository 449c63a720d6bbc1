"""Remembers the links of purchases that this process wrote recently: a sale with one of them is not new."""

from collections.abc import Collection, Iterable

from domain.payments.purchases import Link

MAX_LINKS = 10_000
"""Some thousand purchases; what one event follows another about is minutes old, not days."""


class KnownLinks:
    """Implements the port RecentLinks: links with the events that wrote them, of which the oldest are dropped."""

    def __init__(self, limit: int = MAX_LINKS) -> None:
        self._limit = limit
        self._events: dict[Link, str | None] = {}

    def add(self, links: Iterable[Link], event_id: str | None) -> None:
        """Note that an event wrote the links, or a report without an event."""
        for link in links:
            self._events.pop(link, None)
            self._events[link] = event_id
        while len(self._events) > self._limit:
            del self._events[next(iter(self._events))]

    def are_known(self, links: Collection[Link], event_id: str) -> bool:
        """Return whether one of the links was written by another event than this."""
        return any(self._events.get(link, event_id) != event_id for link in links)
