"""Turns at accounts over a real Redis: one process at a time, none for ever, and none where nobody else is."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.redis.account_locks import LOCK_SECONDS, MINDFUL_SECONDS, RedisAccountLocks
from adapters.redis.client import connect
from adapters.redis.embedded import EmbeddedRedis
from adapters.redis.guard import guarded
from adapters.redis.tests.examples import LEDGER, HandClock, ledger_keys
from domain.values.accounts import UserId


def new_user() -> UserId:
    return UserId(str(uuid.uuid4()))


async def in_turn(locks: RedisAccountLocks, users: set[UserId], log: list[str], name: str, *, laps: int = 1) -> None:
    for _ in range(laps):
        async with locks.lock(users):
            log.append(f"{name} begins")
            for _ in range(5):
                await asyncio.sleep(0)
            log.append(f"{name} ends")


async def test_one_has_a_turn_at_a_time(redis_url: str) -> None:
    """Also where several accounts are wanted, in whatever order: none waits for another in a circle."""
    ada, bob = new_user(), new_user()
    async with contextlib.aclosing(connect(redis_url)) as first, contextlib.aclosing(connect(redis_url)) as second:
        processes = [
            RedisAccountLocks(first, ledger_keys()),
            RedisAccountLocks(first, ledger_keys()),
            RedisAccountLocks(second, ledger_keys()),
            RedisAccountLocks(second, ledger_keys()),
        ]
        log: list[str] = []
        wanted = [{ada, bob}, {bob, ada}, {ada}, {ada, bob}]
        await asyncio.gather(
            *(
                in_turn(locks, users, log, f"process {n}", laps=5)
                for n, (locks, users) in enumerate(zip(processes, wanted, strict=True))
            )
        )
        assert 40 == len(log)
        turns_taken = [*zip(log[::2], log[1::2], strict=True)]
        begun, ended = (
            [begun.replace("begins", "ends") for begun, _ in turns_taken],
            [end for _, end in turns_taken],
        )
        assert begun == ended, "nobody is between"
        assert 0 == await first.exists(f"{LEDGER}:turn:{ada}", f"{LEDGER}:turn:{bob}")


async def test_others_are_met_by_a_conflict_a_look_or_a_wait_and_forgotten_after_a_while(redis_url: str) -> None:
    """One's own turn is nobody else's; and an account that nobody else wants needs none after some seconds."""
    ada, bob, cara = new_user(), new_user(), new_user()
    async with contextlib.aclosing(connect(redis_url)) as redis:
        clock = HandClock()
        mine, others = RedisAccountLocks(redis, ledger_keys(), clock=clock), RedisAccountLocks(redis, ledger_keys())
        mine.mark_contended([ada])
        async with others.lock([bob]), mine.lock([cara]):
            await look(mine, {bob, cara})
        assert {ada, bob} == mine.contended({ada, bob, cara})
        clock.now += MINDFUL_SECONDS
        assert frozenset() == mine.contended({ada, bob, cara})

        log: list[str] = []
        async with others.lock([cara]):
            waiting = asyncio.ensure_future(in_turn(mine, {cara}, log, "mine"))
            while not mine.contended([cara]):  # noqa: ASYNC110 - it says nothing when it begins to wait
                await asyncio.sleep(0)
            assert [] == log
        await waiting
        assert ["mine begins", "mine ends"] == log


async def look(locks: RedisAccountLocks, users: set[UserId]) -> None:
    """Look, and wait until it has."""
    before = asyncio.all_tasks()
    locks.probe_soon(users)
    await asyncio.gather(*(asyncio.all_tasks() - before))


async def test_a_process_that_died_in_its_turn_keeps_nobody_waiting_for_long(redis_url: str) -> None:
    """Its turn is over by itself."""
    ada = new_user()
    async with contextlib.aclosing(connect(redis_url)) as redis:
        await RedisAccountLocks(redis, ledger_keys()).lock([ada]).__aenter__()
        left = await redis.pttl(f"{LEDGER}:turn:{ada}")
        assert 0 < left <= LOCK_SECONDS * 1000
        log: list[str] = []
        await in_turn(RedisAccountLocks(redis, ledger_keys()), {ada}, log, "mine")
        assert ["mine begins", "mine ends"] == log


async def test_a_turn_that_took_too_long_is_not_taken_from_others(redis_url: str) -> None:
    """Who comes to the end of it leaves the next one's alone."""
    ada = new_user()
    async with contextlib.aclosing(connect(redis_url)) as redis:
        async with RedisAccountLocks(redis, ledger_keys()).lock([ada]):
            await redis.set(f"{LEDGER}:turn:{ada}", "another's")
        assert "another's" == await redis.get(f"{LEDGER}:turn:{ada}")


@pytest.fixture(params=["refused", "silent", "full", "foreign"])
def useless_redis(request: pytest.FixtureRequest, new_server_folder: Callable[[], Path]) -> Iterator[tuple[str, str]]:
    """A Redis that gives no turns: why, and its address."""
    why: str = request.param
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        if why == "silent":
            yield why, address
    if why == "refused":
        yield why, address
    if why in {"full", "foreign"}:
        server = EmbeddedRedis(new_server_folder())
        yield why, server.start()
        server.stop()


async def test_where_redis_gives_no_turns_each_goes_ahead(useless_redis: tuple[str, str]) -> None:
    """And asks for none while Redis is away, whomever it meets: each time would take as long again."""
    ada = new_user()
    why, address = useless_redis
    async with contextlib.aclosing(guarded(address, budget=0.1, on_change=lambda _: None)) as redis:
        if why == "full":
            await redis.config_set("maxmemory", "1")
        if why == "foreign":
            await redis.hset(f"{LEDGER}:turn:{ada}", "a", "hash")
            await redis.pexpire(f"{LEDGER}:turn:{ada}", 500)
        locks = RedisAccountLocks(redis, ledger_keys())
        locks.mark_contended([ada])
        log: list[str] = []
        await in_turn(locks, {ada}, log, "mine")
        assert ["mine begins", "mine ends"] == log
        locks.mark_contended([ada])
        is_answered = why == "foreign"  # with what is no turn, until that is gone
        assert is_answered == bool(locks.contended([ada]))


async def test_a_look_at_a_redis_that_does_not_answer_is_the_last_until_it_is_back() -> None:
    """Nothing of it is left running, and nobody is met."""
    ada = new_user()
    async with contextlib.aclosing(guarded("redis://127.0.0.1:1/0", budget=0.1, on_change=lambda _: None)) as redis:
        locks = RedisAccountLocks(redis, ledger_keys())
        locks.mark_contended([ada])
        await look(locks, {ada})
        assert frozenset() == locks.contended([ada])
        # The plugin that runs the test may have tasks of its own.
        before = asyncio.all_tasks()
        locks.probe_soon([ada])
        assert before == asyncio.all_tasks()
