"""One contract for every cache: memory, and a real Redis."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from redis.asyncio import Redis

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.redis.client import connect, upstash_url
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.session_markers import RedisSessionMarkers
from adapters.redis.tests.examples import LEDGER, ledger_keys
from domain.ports.cache import CacheUnavailable, CheckoutNote, QuotaCache, SessionMarkers
from domain.ports.ledger import LedgerUnavailable
from domain.values.accounts import Account, UserId


@attrs.define
class FrozenClock:
    """A clock that moves when it is told to."""

    time: datetime = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@attrs.frozen
class World:
    """A cache under test. `seconds_left` is asked of a real Redis alone; `clock` moves the memory's time."""

    quotas: QuotaCache
    markers: SessionMarkers
    redis: "Redis | None"
    clock: FrozenClock


@contextlib.asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    clock = FrozenClock()
    quotas = MemoryQuotaCache()
    yield World(quotas, MemorySessionMarkers(clock, quotas), None, clock)


@contextlib.asynccontextmanager
async def redis_world(url: str) -> AsyncIterator[World]:
    async with contextlib.aclosing(connect(url)) as redis:
        quotas = RedisQuotaCache(redis, ledger_keys())
        yield World(quotas, RedisSessionMarkers(redis, ledger_keys(), quotas), redis, FrozenClock())


Opener = Callable[[], contextlib.AbstractAsyncContextManager[World]]


@pytest.fixture(params=["memory", "redis_url", "redis_8_url"])
def open_world(request: pytest.FixtureRequest) -> Opener:
    if request.param == "memory":
        return memory_world
    url = request.getfixturevalue(request.param)
    return lambda: redis_world(url)


def account(version: int, balance: int = 50, user_id: str | None = None) -> Account:
    return Account(user_id=UserId(user_id or str(uuid.uuid4())), balance=balance, held=7, version=version)


async def test_many_are_stored_and_found_at_once(open_world: Opener) -> None:
    """Each gets its own copy, in the order of asking, whoever else asks at the same moment; who has none gets None."""
    async with open_world() as world:
        accounts = [account(version=1, balance=number) for number in range(300)]
        await world.quotas.store_many(accounts)
        nobody = account(version=1).user_id
        asked = [accounts[1].user_id, nobody, accounts[0].user_id]
        assert (accounts[1], None, accounts[0]) == await world.quotas.find_many(asked)
        assert () == await world.quotas.find_many([])
        found = await asyncio.gather(*(world.quotas.find(one.user_id) for one in accounts))
        assert accounts == found


async def test_what_is_stored_is_found(open_world: Opener) -> None:
    """Balance, held and version come back; nobody else's do, and no email is kept."""
    async with open_world() as world:
        ada = attrs.evolve(account(3, balance=-20), email="ada@example.com")
        await world.quotas.store(ada)
        assert attrs.evolve(ada, email=None) == await world.quotas.find(ada.user_id)
        assert await world.quotas.find(account(1).user_id) is None


async def test_a_late_writer_brings_nothing_back(open_world: Opener) -> None:
    """An older or equal version is not written over a newer one, however many digits they have."""
    async with open_world() as world:
        new = account(10, balance=100)
        await world.quotas.store(new)
        for version in (9, 10, 2):
            await world.quotas.store(account(version, balance=5, user_id=new.user_id))
        assert new == await world.quotas.find(new.user_id)
        newer = account(11, balance=60, user_id=new.user_id)
        await world.quotas.store(newer)
        assert newer == await world.quotas.find(new.user_id)


async def test_writers_at_the_same_moment_leave_the_newest(open_world: Opener) -> None:
    """Whatever the order in which they arrive, the newest version stays."""
    async with open_world() as world:
        user = account(1).user_id
        writers = [account(version, balance=version * 10, user_id=user) for version in (5, 1, 20, 7, 19, 3, 12)]
        await asyncio.gather(*(world.quotas.store(writer) for writer in writers))
        assert account(20, balance=200, user_id=user) == await world.quotas.find(user)


async def test_a_processed_event_is_remembered_for_a_day(open_world: Opener) -> None:
    """Only the event that was committed counts as processed, and only for 24 hours."""
    async with open_world() as world:
        session = f"cs_{uuid.uuid4().hex}"
        assert await world.markers.begin(session) is None
        await world.markers.finish(session, "evt_1")
        if world.redis is not None:
            assert 24 * 3600 - 60 < await world.redis.ttl(f"{LEDGER}:processed:{session}") <= 24 * 3600
            assert 0 == await world.redis.exists(f"{LEDGER}:processing:{session}")
        assert "evt_1" == await world.markers.begin(session)
        if world.redis is None:
            world.clock.time += timedelta(hours=24)
            assert await world.markers.begin(session) is None


async def test_the_end_of_a_delivery_stores_its_accounts(open_world: Opener) -> None:
    """As the quota cache does: none over a newer one, and with or without an event."""
    async with open_world() as world:
        ada, bob = account(3), account(7)
        await world.quotas.store(bob)
        await world.markers.finish(f"cs_{uuid.uuid4().hex}", "evt_1", (ada, attrs.evolve(bob, revision=6, balance=9)))
        assert (ada, bob) == await world.quotas.find_many([ada.user_id, bob.user_id])
        await world.markers.finish(f"cs_{uuid.uuid4().hex}", None, (newer := attrs.evolve(ada, revision=4, balance=9),))
        assert newer == await world.quotas.find(ada.user_id)


async def test_a_failed_delivery_leaves_no_mark(open_world: Opener) -> None:
    """What was begun and not committed is neither processing nor processed."""
    async with open_world() as world:
        session = f"cs_{uuid.uuid4().hex}"
        await world.markers.begin(session)
        if world.redis is not None:
            assert 3600 - 60 < await world.redis.ttl(f"{LEDGER}:processing:{session}") <= 3600
        await world.markers.finish(session, None)
        if world.redis is not None:
            assert 0 == await world.redis.exists(f"{LEDGER}:processing:{session}", f"{LEDGER}:processed:{session}")
        assert await world.markers.begin(session) is None


async def test_marks_of_processed_events_are_dropped_at_once(open_world: Opener) -> None:
    """All of them, as of a ledger that was restored; who started a checkout stays known."""
    async with open_world() as world:
        note = CheckoutNote(user_id=account(1).user_id, plan_id="starter")
        await world.markers.remember_checkout("cs_1", note)
        for number in range(700):
            await world.markers.finish(f"cs_{number}", "evt_1")
        await world.markers.forget_processed()
        assert {None} == {await world.markers.begin(f"cs_{number}") for number in range(700)}
        assert note == await world.markers.recall_checkout("cs_1")


async def test_two_ledgers_share_one_redis(redis_url: str) -> None:
    """Neither reads, marks, lists or drops what is the other's, for the same user and the same session."""

    async def identity() -> str:
        return str(uuid.uuid4())

    async with redis_world(redis_url) as mine, contextlib.aclosing(connect(redis_url)) as redis:
        keys = LedgerKeys(identity)
        quotas, session = RedisQuotaCache(redis, keys), "cs_shared"
        markers = RedisSessionMarkers(redis, keys, quotas)
        await mine.quotas.store(ada := account(3))
        await mine.markers.finish(session, "evt_1")
        assert await quotas.find(ada.user_id) is None
        assert await markers.begin(session) is None
        assert [] == [line async for lines in quotas.lines() for line in lines]
        await markers.forget_processed()
        await quotas.forget(ada.user_id)
        assert ada == await mine.quotas.find(ada.user_id)
        assert "evt_1" == await mine.markers.begin(session)


async def test_nothing_is_asked_of_redis_before_the_ledger_has_told_its_id(redis_url: str) -> None:
    """Until then the cache is away; the ledger is asked again, and nobody waits for it twice."""
    answers: list[str] = []

    async def identity() -> str:
        if not answers:
            raise LedgerUnavailable("starting")
        return answers[0]

    async with contextlib.aclosing(connect(redis_url)) as redis:
        keys = LedgerKeys(identity)
        quotas, ada = RedisQuotaCache(redis, keys), account(1)
        for _ in range(2):
            with pytest.raises(CacheUnavailable, match="starting"):
                await quotas.store(ada)
        answers.append(str(uuid.uuid4()))
        with pytest.raises(CacheUnavailable, match="starting"):
            await quotas.store(ada)  # begins to ask again
        await asyncio.gather(*(task for task in asyncio.all_tasks() if "LedgerKeys" in repr(task.get_coro())))
        await quotas.store(ada)
        assert ada == await quotas.find(ada.user_id)


async def test_a_checkout_is_remembered_for_an_hour(open_world: Opener) -> None:
    """Who started it, for which plan."""
    async with open_world() as world:
        session = f"cs_{uuid.uuid4().hex}"
        note = CheckoutNote(user_id=account(1).user_id, plan_id="starter")
        assert await world.markers.recall_checkout(session) is None
        await world.markers.remember_checkout(session, note)
        assert note == await world.markers.recall_checkout(session)
        if world.redis is not None:
            assert 3600 - 60 < await world.redis.ttl(f"{LEDGER}:checkout:{session}") <= 3600
        else:
            world.clock.time += timedelta(hours=1)
            assert await world.markers.recall_checkout(session) is None


async def test_a_balance_has_no_expiry(redis_url: str) -> None:
    """`{ledger}:{user_id}` is a string of balance, held, version and revision that stays."""
    async with redis_world(redis_url) as world:
        assert world.redis is not None
        ada = account(3)
        await world.quotas.store(ada)
        key = f"{LEDGER}:{ada.user_id}"
        assert -1 == await world.redis.ttl(key)
        assert "50/7/3/3" == await world.redis.get(key)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda redis, key: redis.set(key, "50"),
        lambda redis, key: redis.rpush(key, "50"),
        lambda redis, key: redis.hset(key, mapping={"balance": "50", "held": "0", "version": "9", "revision": "9"}),
        lambda redis, key: redis.set(key, "many/0/9/9"),
        lambda redis, key: redis.set(key, "50//9/9"),
        lambda redis, key: redis.set(key, "50/0/nine/9"),
        lambda redis, key: redis.set(key, "50/0/9/9/9"),
    ],
)
async def test_what_can_not_be_read_is_a_miss_and_is_replaced(redis_url: str, spoil: Any) -> None:
    """A value that somebody else left under the key is no balance, and does not stay."""
    async with redis_world(redis_url) as world:
        ada = account(1)
        await spoil(world.redis, f"{LEDGER}:{ada.user_id}")
        assert await world.quotas.find(ada.user_id) is None
        await world.quotas.store(ada)
        assert ada == await world.quotas.find(ada.user_id)


async def test_a_redis_that_is_away_says_so() -> None:
    """Every call raises the domain's error, and soon."""
    async with redis_world("redis://127.0.0.1:1/0") as world:
        calls = [
            world.quotas.find(account(1).user_id),
            world.quotas.store(account(1)),
            world.markers.begin("cs_1"),
            world.markers.finish("cs_1", "evt_1"),
            world.markers.finish("cs_1", "evt_1", (account(1),)),
            world.markers.recall_checkout("cs_1"),
        ]
        for call in calls:
            with pytest.raises(CacheUnavailable):
                await call


def test_upstash_addresses_are_derived() -> None:
    """The REST address and token of the console make the Redis address."""
    assert "rediss://default:to%2Fken@eu1.upstash.io:6379" == upstash_url("https://eu1.upstash.io", "to/ken")
