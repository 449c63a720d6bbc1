"""Counts of what happens within a period, in Redis, for all processes that share it."""

from adapters.redis.client import SharedRedis
from adapters.redis.errors import cache_errors
from adapters.redis.ledger_keys import LedgerKeys

KEPT_SECONDS = 120
"""Longer than any period lasts; Redis forgets a count by itself."""


class RedisRateCounter:
    """Implements the port RateCounter by keys `{ledger id}:rate:{name}:{period}`."""

    def __init__(self, redis: SharedRedis, keys: LedgerKeys) -> None:
        self._redis = redis
        self._keys = keys

    async def count(self, name: str, period: int) -> int:
        """Count one more, and return how many there are by now in the period. One round trip.

        :raises CacheUnavailable: if Redis did not answer.
        """
        key = f"{await self._keys.prefix()}rate:{name}:{period}"
        with cache_errors():
            counted, kept = await self._redis.together([("INCR", key), ("EXPIRE", key, KEPT_SECONDS)])
            for answer in (counted, kept):
                if isinstance(answer, Exception):
                    raise answer
            return int(counted)
