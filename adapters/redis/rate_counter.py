"""Counts events within periods, in Redis, for all processes that share it."""

from adapters.redis.client import SharedRedis
from adapters.redis.errors import cache_errors
from adapters.redis.ledger_keys import LedgerKeys
from domain.ports.coordination import PeriodCount

# The count's expiry is the end of its period, so that Redis' clock decides, and no process's. A count without an expiry
# would never begin again, so it always gets one.
_COUNT = """
local count = redis.call('incr', KEYS[1])
if redis.call('pttl', KEYS[1]) < 0 then redis.call('expire', KEYS[1], ARGV[1]) end
return {count, redis.call('pttl', KEYS[1])}
"""


class RedisRateCounter:
    """Implements the port RateCounter by keys `{ledger id}:rate:{name}`."""

    def __init__(self, redis: SharedRedis, keys: LedgerKeys) -> None:
        self._redis = redis
        self._keys = keys

    async def count(self, name: str, seconds: int) -> PeriodCount:
        """Count one more, and return how many there are by now in the period. One round trip.

        :raises CacheUnavailable: if Redis did not answer.
        """
        key = f"{await self._keys.prefix()}rate:{name}"
        with cache_errors():
            count, milliseconds = await self._redis.execute_command("EVAL", _COUNT, 1, key, seconds)
            return PeriodCount(int(count), max(1, -(-int(milliseconds) // 1000)))
