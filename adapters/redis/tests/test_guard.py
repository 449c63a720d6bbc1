"""The guard before a real Redis that is silent, slow, demoted, full or a cluster's node: when it is asked."""

import asyncio
import contextlib
import contextvars
import threading
import uuid
from collections.abc import AsyncIterator, Iterator

import attrs
import pytest

from adapters.redis import quota_cache
from adapters.redis.account_locks import RedisAccountLocks
from adapters.redis.guard import (
    FIRST_PAUSE_SECONDS,
    LATE_IN_A_ROW,
    LONGEST_PAUSE_SECONDS,
    PROVEN_SECONDS,
    GuardedRedis,
    guarded,
)
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.session_markers import RedisSessionMarkers
from adapters.redis.tests.examples import LEDGER, HandClock, ledger_keys
from domain.ports.cache import CacheUnavailable
from domain.values.accounts import Account, UserId
from features.harness.redis_relay import Relay, redis_relay
from features.harness.redis_servers import REDISES, NewRedis, cluster_of_two, command_of, raw, until

BUDGET = 0.1
MISSED = 5_000
ROOM = 400_000
"""In bytes: for fewer lines than that."""


@attrs.frozen
class World:
    """A process with its guard: `said` is what it told of Redis, causes and, for each return, None."""

    redis: GuardedRedis
    quotas: RedisQuotaCache
    markers: RedisSessionMarkers
    clock: HandClock
    said: list[str | None]

    async def probe(self) -> None:
        """Let the next pause be over, and the probe be done that the next one to ask begins."""
        self.clock.now += LONGEST_PAUSE_SECONDS
        with contextlib.suppress(CacheUnavailable):
            await self.quotas.find(account().user_id)
        assert self.redis._probing is not None
        await self.redis._probing


@contextlib.asynccontextmanager
async def process(url: str, *, budget: float = BUDGET) -> AsyncIterator[World]:
    clock, said = HandClock(), list[str | None]()
    async with contextlib.aclosing(guarded(url, budget=budget, on_change=said.append, clock=clock)) as client:
        keys = ledger_keys()
        client.probe_soon()
        assert client._probing is not None
        await client._probing
        quotas = RedisQuotaCache(client, keys)
        yield World(client, quotas, RedisSessionMarkers(client, keys, quotas), clock, said)


def account(version: int = 1, *, user_id: UserId | None = None, balance: int = 50) -> Account:
    return Account(user_id=user_id or UserId(str(uuid.uuid4())), balance=balance, version=version, revision=version)


@pytest.fixture(params=REDISES)
def redis_kind(request: pytest.FixtureRequest) -> str:
    """Each test is one of every Redis."""
    return str(request.param)


@pytest.fixture
def own_redis(new_redis: NewRedis) -> str:
    """A Redis of this test alone."""
    return new_redis()


@pytest.fixture
def relay(own_redis: str) -> Iterator[Relay]:
    """A way to that Redis, which can be held up."""
    with redis_relay(own_redis) as opened:
        yield opened


async def fails(calls: int, world: World) -> None:
    for _ in range(calls):
        with pytest.raises(CacheUnavailable):
            await world.quotas.find(account().user_id)


def test_each_redis_is_the_one_that_it_is_called(own_redis: str, redis_kind: str) -> None:
    """By its own account, so that no other server is tried in its place."""
    info = command_of(own_redis, "INFO", "server")
    assert isinstance(info, dict)
    assert redis_kind == f"Redis {info['redis_version'].partition('.')[0]}"


async def test_a_silent_redis_is_not_asked_again_by_each_request(relay: Relay) -> None:
    """Once it failed nobody asks it; after a pause one probe does, for which nobody waits; and it is reported once."""
    async with process(relay.url) as world:
        await world.quotas.store(ada := account())
        relay.hold()
        while not world.said:  # a process that is held up itself learns nothing of Redis
            await fails(1, world)
        asked = relay.asked
        await fails(100, world)
        locks = RedisAccountLocks(world.redis, ledger_keys())
        locks.mark_contended([ada.user_id])
        async with locks.lock([ada.user_id]):
            pass
        assert (asked, 1) == (relay.asked, len(world.said))
        assert "it did not answer in time" == world.said[0]
        relay.release()
        await world.probe()
        assert None is world.said[1]
        assert ada == await world.quotas.find(ada.user_id)


async def test_a_busy_process_leaves_a_silent_redis_too(relay: Relay) -> None:
    """Held up itself it learns nothing of one answer that is late, but of several in a row it does."""
    pause, busy = threading.Event(), True

    async def hog() -> None:
        while busy:
            pause.wait(BUDGET)
            await asyncio.sleep(0)

    async with process(relay.url) as world:
        relay.hold()
        hogging = asyncio.create_task(hog())
        await fails(LATE_IN_A_ROW, world)
        busy = False
        await hogging
        assert 1 == len(world.said)


async def test_nothing_older_is_stored_over_what_was_missed(relay: Relay, own_redis: str) -> None:
    """A process that comes late with an older balance does not bring it back, to itself or to others."""
    async with process(relay.url) as world, process(own_redis) as other:
        older = account(5)
        newer = attrs.evolve(older, balance=10, version=6, revision=6)
        await other.quotas.store(older)
        relay.hold()
        while not world.said:
            with pytest.raises(CacheUnavailable):
                await world.quotas.store(newer)
        relay.release()
        await world.probe()
        await other.quotas.store(older)
        assert [None, None] == [await one.quotas.find(older.user_id) for one in (world, other)]
        await other.quotas.store(newer)
        assert [newer, newer] == [await one.quotas.find(older.user_id) for one in (world, other)]


async def test_a_redis_that_stays_silent_is_probed_less_and_less_often(relay: Relay) -> None:
    """Pauses get longer up to ten seconds, and nothing more is reported."""
    async with process(relay.url) as world:
        relay.hold()
        while not world.said:
            await fails(1, world)
        await world.probe()
        assert (1, 2 * FIRST_PAUSE_SECONDS) == (len(world.said), world.redis._pause)
        world.redis._put_off(1000)
        assert LONGEST_PAUSE_SECONDS == world.redis._pause


async def test_the_end_of_a_delivery_is_one_round(relay: Relay) -> None:
    """Marks and line go together; one round more teaches Redis the script."""
    async with process(relay.url, budget=5.0) as world:
        ada = account(1)
        for rounds in (2, 1):
            assert (rounds == 1) == (await world.markers.begin("cs_1") == "evt_1")
            asked = relay.asked
            await world.markers.finish("cs_1", "evt_1", (ada,))
            assert rounds == relay.asked - asked
            assert ada == await world.quotas.find(ada.user_id)


async def test_lines_that_are_missed_at_the_end_of_a_delivery_are_not_read(relay: Relay) -> None:
    """As those that are missed otherwise: Redis has the old one."""
    async with process(relay.url) as world:
        await world.quotas.store(old := account(1))
        new = account(2, user_id=old.user_id)
        relay.delay = 2 * BUDGET
        with pytest.raises(CacheUnavailable):
            await world.markers.finish("cs_1", "evt_1", (new,))
        relay.delay = 0
        await world.probe()
        assert await world.quotas.find(old.user_id) in (None, new)


async def test_a_request_waits_no_longer_in_all(relay: Relay) -> None:
    """What it has waited for one call it may not wait for the next; what it could not write is not read."""
    async with process(relay.url, budget=1.0) as world:
        await world.quotas.store(old := account(1))
        new = account(2, user_id=old.user_id)
        relay.delay = 0.6

        async def request() -> None:
            world.redis.begin_request()
            await world.markers.begin("cs_1")
            with pytest.raises(CacheUnavailable):
                await world.quotas.store(new)
            asked = relay.asked
            await fails(20, world)
            assert asked == relay.asked

        await asyncio.get_running_loop().create_task(request(), context=contextvars.Context())
        assert [] == world.said, "each call alone was fast enough"
        assert await world.quotas.find(old.user_id) is None
        assert (None,) == await world.quotas.find_many([old.user_id])
        relay.delay = 0
        await world.quotas.store(old)
        assert await world.quotas.find(old.user_id) is None, "an older line is not what is missed"
        await world.quotas.store(new)
        assert new == await world.quotas.find(old.user_id)


async def test_a_demoted_redis_is_not_read_any_more(new_redis: NewRedis) -> None:
    """Its lines may be old: neither the process that can't write one nor one that only reads believes them."""
    url, primary = new_redis(), new_redis()
    async with process(url) as writer, process(url) as reader:
        await writer.quotas.store(old := account(1))
        assert old == await reader.quotas.find(old.user_id)
        command_of(url, "CONFIG", "SET", "replica-serve-stale-data", "yes")
        command_of(url, "REPLICAOF", *primary.removeprefix("redis://").removesuffix("/0").split(":"))

        with pytest.raises(CacheUnavailable, match="read-only replica"):
            await writer.quotas.store(account(2, user_id=old.user_id))
        with pytest.raises(CacheUnavailable):
            await writer.quotas.find(old.user_id)
        reader.clock.now += PROVEN_SECONDS
        with pytest.raises(CacheUnavailable, match="read-only replica"):
            await reader.quotas.find(old.user_id)

        command_of(url, "REPLICAOF", "NO", "ONE")
        await writer.probe()
        await reader.probe()
        for one in (writer, reader):
            assert [True, None] == [said and "read-only replica" in said for said in one.said]
            assert await one.quotas.find(old.user_id) is None, "the line is not written yet"


async def test_a_demoted_redis_is_left_for_the_one_that_took_its_place(new_redis: NewRedis) -> None:
    """The address leads to another Redis by now, which only a new connection can find."""
    demoted, promoted = new_redis(), new_redis()
    with redis_relay(demoted) as relay:
        async with process(relay.url) as world:
            await world.quotas.store(account())
            command_of(demoted, "REPLICAOF", *promoted.removeprefix("redis://").removesuffix("/0").split(":"))
            relay.point_at(promoted)
            with pytest.raises(CacheUnavailable):
                await world.quotas.store(ada := account())
            await world.probe()
            await world.quotas.store(ada)
            async with process(promoted) as there:
                assert ada == await there.quotas.find(ada.user_id)


async def test_a_full_redis_takes_no_line(own_redis: str) -> None:
    """Lines are refused like all else, and what could not be written is removed before the cache is used again."""
    async with process(own_redis) as world:
        await world.quotas.store(old := account(1))
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(CacheUnavailable, match="full"):
            await world.quotas.store(account(2, user_id=old.user_id))
        assert str(command_of(own_redis, "GET", f"{LEDGER}:{old.user_id}")).endswith("/1")
        await world.probe()
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "0")
        await world.probe()
        assert [True, None] == [said and "full" in said for said in world.said]
        assert await world.quotas.find(old.user_id) is None
        # The revision that was missed.
        assert "///2" == command_of(own_redis, "GET", f"{LEDGER}:{old.user_id}")


async def test_what_was_missed_does_not_grow_a_full_redis(own_redis: str) -> None:
    """One that has room for a few lines takes a few of many, and is full; with more room it gets them all."""
    async with process(own_redis, budget=60.0) as world:
        many = [account(7) for _ in range(MISSED)]
        command_of(own_redis, "RPUSH", f"{LEDGER}:{many[0].user_id}", "of another type")
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(CacheUnavailable, match="full"):
            await world.quotas.store_many(many)
        memory = command_of(own_redis, "INFO", "memory")
        assert isinstance(memory, dict)
        command_of(own_redis, "CONFIG", "SET", "maxmemory", memory["used_memory"] + ROOM)
        await world.probe()
        assert 1 < len(missed(own_redis)) < MISSED
        assert [True] == [said and "full" in said for said in world.said]
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "0")
        await world.probe()
        assert ([None], MISSED) == (world.said[1:], len(missed(own_redis)))
        assert "///7" == command_of(own_redis, "GET", f"{LEDGER}:{many[0].user_id}")


def missed(url: str) -> list[str]:
    keys = command_of(url, "KEYS", f"{LEDGER}:{quota_cache._ANY_USER}")
    assert isinstance(keys, list)
    return keys


async def test_more_lines_than_are_kept_in_mind_are_all_removed(
    own_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of them are old is not known any more; another ledger's stay, and keys of other kinds."""
    monkeypatch.setattr(quota_cache, "MAX_UNWRITTEN", 3)
    async with process(own_redis) as world:
        await world.quotas.store(ada := account())
        others = {f"another:{ada.user_id}", f"{LEDGER}:turn:{ada.user_id}", f"{LEDGER}:processed:cs_1"}
        for key in others:
            command_of(own_redis, "SET", key, "50")
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "1")
        for _ in range(5):
            with pytest.raises(CacheUnavailable):
                await world.quotas.store(account())
        command_of(own_redis, "CONFIG", "SET", "maxmemory", "0")
        await world.probe()
        assert await world.quotas.find(ada.user_id) is None
        assert others == {*command_of(own_redis, "KEYS", "*")} - {"credence:usable"}  # type: ignore[misc]
        await world.quotas.store(ada)
        assert ada == await world.quotas.find(ada.user_id)


async def test_a_node_of_a_cluster_is_named(new_redis: NewRedis) -> None:
    """It has a part of the keys, so it is no cache, whichever key is asked for."""
    for url in cluster_of_two(new_redis):
        async with process(url) as world:
            (said,) = world.said
            assert said is not None
            assert "node of a Redis cluster" in said
            await fails(3, world)


async def test_a_cluster_of_one_node_is_a_cache(new_redis: NewRedis) -> None:
    """It has all the keys."""
    url = new_redis("--cluster-enabled", "yes")
    command_of(url, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    until(lambda: "cluster_state:ok" in raw(url, "CLUSTER INFO"), True)
    async with process(url) as world:
        await world.quotas.store(ada := account())
        assert ([], ada) == (world.said, await world.quotas.find(ada.user_id))


async def test_lost_replies_cost_no_more_than_a_pause(relay: Relay) -> None:
    """Where one in ten is lost nearly all requests go to the ledger at once."""
    async with process(relay.url) as world:
        await world.quotas.store(account())
        relay.loses_one_in = 10
        while not world.said:
            with contextlib.suppress(CacheUnavailable):
                await world.quotas.find(account().user_id)
        asked = relay.asked
        await fails(1000, world)
        assert asked == relay.asked
