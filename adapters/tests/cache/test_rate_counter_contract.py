"""Counting by a name within a period: the same in Redis and in this process's memory."""

import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest

from adapters.memory.rate_counter import MemoryRateCounter
from adapters.redis.client import connect
from adapters.redis.rate_counter import RedisRateCounter
from adapters.redis.tests.examples import LEDGER, HandClock, ledger_keys
from domain.ports.cache import CacheUnavailable
from domain.ports.coordination import PeriodCount

HOUR = 3600


@pytest.fixture(params=["memory", "redis_url", "redis_8_url"])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[MemoryRateCounter | RedisRateCounter]:
    if request.param == "memory":
        yield MemoryRateCounter()
        return
    async with contextlib.aclosing(connect(request.getfixturevalue(request.param))) as client:
        yield RedisRateCounter(client, ledger_keys())


async def test_each_is_counted_by_its_name(counter: MemoryRateCounter | RedisRateCounter) -> None:
    """One more each time, whatever others do; and each is told when it begins anew."""
    ada, bob = uuid.uuid4().hex, uuid.uuid4().hex
    counts = [await counter.count(name, HOUR) for name in (ada, ada, bob, ada)]
    assert [1, 2, 1, 3] == [one.count for one in counts]
    assert [] == [one for one in counts if not 0 < one.seconds_left <= HOUR]


async def test_a_new_period_begins_at_nothing() -> None:
    """In memory for all names at once; the time that is left gets shorter until then."""
    clock = HandClock()
    counter = MemoryRateCounter(lambda: clock.now)
    counts = []
    for passed in (0, 59.5, 0.5, 0):
        clock.now += passed
        counts.append(await counter.count("ada", 60))
    assert [PeriodCount(1, 60), PeriodCount(2, 1), PeriodCount(1, 60), PeriodCount(2, 60)] == counts


async def test_redis_begins_anew_once_its_clock_has_ended_the_period(redis_url: str) -> None:
    """However much there was, nothing is left of it; a count without an end, as somebody left it, gets one."""
    name = uuid.uuid4().hex
    async with contextlib.aclosing(connect(redis_url)) as client:
        counter = RedisRateCounter(client, ledger_keys())
        assert [1, 2] == [(await counter.count(name, HOUR)).count for _ in range(2)]
        key = f"{LEDGER}:rate:{name}"
        assert 0 < await client.ttl(key) <= HOUR
        await client.persist(key)
        assert 0 < (await counter.count(name, HOUR)).seconds_left <= HOUR
        assert 0 < await client.ttl(key) <= HOUR
        await client.pexpire(key, 0)
        assert PeriodCount(1, HOUR) == await counter.count(name, HOUR)


async def test_a_redis_that_is_away_is_said_to_be() -> None:
    """So that whoever counts can count alone."""
    async with contextlib.aclosing(connect("redis://127.0.0.1:1/0")) as client:
        with pytest.raises(CacheUnavailable):
            await RedisRateCounter(client, ledger_keys()).count("ada", HOUR)
