"""Counting by a name and a period: the same in Redis and in this process's memory."""

import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest

from adapters.memory.rate_counter import MemoryRateCounter
from adapters.redis.client import connect
from adapters.redis.rate_counter import KEPT_SECONDS, RedisRateCounter
from adapters.redis.tests.examples import LEDGER, ledger_keys
from domain.ports.cache import CacheUnavailable
from domain.usecases.limit_rates import PERIOD_SECONDS


@pytest.fixture(params=["memory", "redis"])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[MemoryRateCounter | RedisRateCounter]:
    if request.param == "memory":
        yield MemoryRateCounter()
        return
    async with contextlib.aclosing(connect(request.getfixturevalue("redis_url"))) as client:
        yield RedisRateCounter(client, ledger_keys())


async def test_each_is_counted_by_its_name(counter: MemoryRateCounter | RedisRateCounter) -> None:
    """One more each time, whatever others do."""
    ada, bob = uuid.uuid4().hex, uuid.uuid4().hex
    assert [1, 2, 1, 3] == [await counter.count(name, 7) for name in (ada, ada, bob, ada)]


async def test_a_new_period_begins_at_nothing(counter: MemoryRateCounter | RedisRateCounter) -> None:
    """However much there was in the last one."""
    name = uuid.uuid4().hex
    assert [1, 2, 1] == [await counter.count(name, period) for period in (7, 7, 8)]


async def test_redis_forgets_a_count(redis_url: str) -> None:
    """Also one that is never counted again; after its period, and not before."""
    name = uuid.uuid4().hex
    async with contextlib.aclosing(connect(redis_url)) as client:
        await RedisRateCounter(client, ledger_keys()).count(name, 7)
        left = await client.ttl(f"{LEDGER}:rate:{name}:7")
    assert PERIOD_SECONDS < left <= KEPT_SECONDS


async def test_a_redis_that_is_away_is_said_to_be() -> None:
    """So that whoever counts can count alone."""
    async with contextlib.aclosing(connect("redis://127.0.0.1:1/0")) as client:
        with pytest.raises(CacheUnavailable):
            await RedisRateCounter(client, ledger_keys()).count("ada", 7)
