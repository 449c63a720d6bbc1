"""Limit how many requests each caller may send in a minute, in all processes together."""

import attrs

from domain.ports.cache import CacheUnavailable
from domain.ports.coordination import RateCounter

PERIOD_SECONDS = 60


@attrs.frozen
class RateExceeded(Exception):
    """A caller sent too many requests; the period ends after `retry_after_seconds`."""

    retry_after_seconds: int


@attrs.frozen(kw_only=True)
class RateLimiter:
    """Limits one kind of request for each caller; 0 means no limit."""

    kind: str
    per_minute: int
    shared: RateCounter
    own: RateCounter
    """Counts for this process alone while the shared one is away."""

    async def admit(self, name: str) -> None:
        """Count a request of somebody.

        :raises RateExceeded: if there were enough in this minute.
        """
        if not self.per_minute:
            return
        counted = f"{self.kind}:{name}"
        try:
            counts = await self.shared.count(counted, PERIOD_SECONDS)
        except CacheUnavailable:
            counts = await self.own.count(counted, PERIOD_SECONDS)
        if counts.count > self.per_minute:
            raise RateExceeded(counts.seconds_left)


@attrs.frozen(kw_only=True)
class RateLimits:
    """The limits of a deployment."""

    checkouts: RateLimiter
    """By user."""
    service_requests: RateLimiter
    """By service key."""
