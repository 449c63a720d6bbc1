"""Limits how often somebody may ask: so many times a minute, in all processes together."""

from datetime import datetime

import attrs

from domain.ports.cache import CacheUnavailable
from domain.ports.coordination import RateCounter

PERIOD_SECONDS = 60


@attrs.frozen
class RateExceeded(Exception):
    """Somebody asked more often than they may; the next period begins in so many seconds."""

    retry_after_seconds: int


@attrs.frozen(kw_only=True)
class RateLimiter:
    """Limits one kind of request, for each of those who ask; 0 lets everything pass."""

    kind: str
    per_minute: int
    shared: RateCounter
    own: RateCounter
    """Counts for this process alone while the shared one is away."""

    async def admit(self, name: str, now: datetime) -> None:
        """Count a request of somebody.

        :raises RateExceeded: if there were enough in this minute.
        """
        if not self.per_minute:
            return
        period, passed = divmod(int(now.timestamp()), PERIOD_SECONDS)
        counted = f"{self.kind}:{name}"
        try:
            count = await self.shared.count(counted, period)
        except CacheUnavailable:
            count = await self.own.count(counted, period)
        if count > self.per_minute:
            raise RateExceeded(PERIOD_SECONDS - passed)


@attrs.frozen(kw_only=True)
class RateLimits:
    """The limits of a deployment."""

    checkouts: RateLimiter
    """By user."""
    service_requests: RateLimiter
    """By service key."""
