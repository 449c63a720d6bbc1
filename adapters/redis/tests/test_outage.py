"""What a Redis that is slow, full, foreign or forgetful does to the caches: an error of the domain's, soon."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
import redis as blocking_redis
from redis.asyncio import Redis, SSLConnection
from redis.exceptions import DataError

from adapters.redis.client import MAX_CONNECTIONS, connect, upstash_url
from adapters.redis.embedded import EmbeddedRedis
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.session_markers import RedisSessionMarkers
from adapters.redis.tests.examples import LEDGER, ledger_keys
from domain.ports.cache import CacheUnavailable, CheckoutNote
from domain.values.accounts import Account, UserId


def account(version: int = 1) -> Account:
    return Account(user_id=UserId(str(uuid.uuid4())), balance=50, version=version)


def markers_in(redis: Redis) -> RedisSessionMarkers:
    return RedisSessionMarkers(redis, ledger_keys(), RedisQuotaCache(redis, ledger_keys()))


def every_call(redis: Redis) -> list[Awaitable[object]]:
    quotas = RedisQuotaCache(redis, ledger_keys())
    markers = RedisSessionMarkers(redis, ledger_keys(), quotas)
    note = CheckoutNote(user_id=account().user_id, plan_id="starter")
    return [
        quotas.find(account().user_id),
        quotas.store(account()),
        markers.remember_checkout("cs_1", note),
        markers.recall_checkout("cs_1"),
        markers.begin("cs_1"),
        markers.finish("cs_1", "evt_1"),
        markers.finish("cs_1", None),
        markers.finish("cs_1", "evt_1", (account(),)),
    ]


async def outcomes(redis: Redis) -> set[type]:
    return {type(outcome) for outcome in await asyncio.gather(*every_call(redis), return_exceptions=True)}


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test alone, to be ill-treated."""
    server = EmbeddedRedis(tmp_path / "redis")
    yield server.start()
    server.stop()


async def test_a_redis_that_never_answers_is_given_up_soon() -> None:
    """It takes connections and is silent, as behind a broken network: no call waits for more than a moment."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        async with contextlib.aclosing(connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")) as redis:
            async with asyncio.timeout(60):
                assert {CacheUnavailable} == await outcomes(redis)


async def test_a_server_that_is_no_redis_is_unavailable() -> None:
    """What answers in another protocol is no cache."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with contextlib.aclosing(connect(f"redis://127.0.0.1:{port}/0")) as redis:
            assert {CacheUnavailable} == await outcomes(redis)


async def test_a_refused_password_is_reported_and_not_shown(redis_url: str) -> None:
    """A login that Redis does not know is an outage; the log does not get the password."""
    url = redis_url.replace("redis://", "redis://nobody:swordfish@")
    async with contextlib.aclosing(connect(url)) as redis:
        with pytest.raises(CacheUnavailable) as raised:
            await RedisQuotaCache(redis, ledger_keys()).find(account().user_id)
        assert "swordfish" not in raised.value.cause


async def test_a_full_redis_refuses_writes_and_still_answers(own_redis: str) -> None:
    """What it refuses is unavailable, not lost in silence; what it has can still be read."""
    async with contextlib.aclosing(connect(own_redis)) as redis:
        quotas, ada = RedisQuotaCache(redis, ledger_keys()), account()
        await quotas.store(ada)
        await redis.config_set("maxmemory", "1")
        with pytest.raises(CacheUnavailable, match="OutOfMemory"):
            await RedisSessionMarkers(redis, ledger_keys(), quotas).finish("cs_1", "evt_1")
        assert ada == await quotas.find(ada.user_id)


async def test_a_redis_that_forgot_our_script_is_taught_it_again(redis_url: str) -> None:
    """A restart loses scripts; the next balance is written all the same."""
    async with contextlib.aclosing(connect(redis_url)) as redis:
        quotas, ada = RedisQuotaCache(redis, ledger_keys()), account()
        await quotas.store(ada)
        await redis.script_flush()
        newer = attrs.evolve(ada, version=2, revision=2, balance=7)
        await quotas.store(newer)
        assert newer == await quotas.find(ada.user_id)


async def test_a_dropped_connection_is_no_outage(own_redis: str) -> None:
    """A service that closes idle connections is asked again on a new one."""
    async with contextlib.aclosing(connect(own_redis)) as redis:
        answers = {type(None), str, CheckoutNote}
        assert set() == await outcomes(redis) - answers
        with blocking_redis.Redis.from_url(own_redis) as operator:
            assert operator.client_kill_filter(_type="normal", skipme=True) > 0
        assert set() == await outcomes(redis) - answers


async def test_callers_share_a_bounded_number_of_connections(own_redis: str) -> None:
    """However many ask at once, Redis sees at most so many of us, and each gets its answer."""
    async with contextlib.aclosing(connect(own_redis)) as redis:
        quotas = RedisQuotaCache(redis, ledger_keys())
        found = await asyncio.gather(*(quotas.find(account().user_id) for _ in range(10 * MAX_CONNECTIONS)))
        assert {None} == set(found)
        assert 1 < len(await redis.client_list()) <= MAX_CONNECTIONS


@pytest.mark.parametrize("field", ["balance", "held", "version", "revision"])
async def test_bytes_that_are_no_text_are_a_miss_and_are_replaced(redis_url: str, field: str) -> None:
    """A garbled value breaks neither the reading nor the connection."""
    ada = account()
    with blocking_redis.Redis.from_url(redis_url) as stranger:
        kept = {"balance": b"50", "held": b"0", "version": b"9", "revision": b"9", field: b"\xff\xfe9"}
        stranger.set(f"{LEDGER}:{ada.user_id}", b"/".join(kept.values()))
    async with contextlib.aclosing(connect(redis_url)) as redis:
        quotas = RedisQuotaCache(redis, ledger_keys())
        assert await quotas.find(ada.user_id) is None
        await quotas.store(ada)
        assert ada == await quotas.find(ada.user_id)


@pytest.mark.parametrize("revision", ["9" * 16, "1e300", "0x7fffffff", "nan", "inf", "-1", " 9", "9 "])
async def test_an_absurd_revision_does_not_shut_out_true_ones(redis_url: str, revision: str) -> None:
    """What is no revision of ours is not newer than any."""
    ada = account()
    async with contextlib.aclosing(connect(redis_url)) as redis:
        await redis.set(f"{LEDGER}:{ada.user_id}", f"5/0/9/{revision}")
        quotas = RedisQuotaCache(redis, ledger_keys())
        assert await quotas.find(ada.user_id) is None
        await quotas.store(ada)
        assert ada == await quotas.find(ada.user_id)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "starter",
        "[]",
        "7",
        "{}",
        '{"user_id": 7, "plan_id": "starter"}',
        '{"user_id": "ada", "plan_id": "starter"}',
        '{"user_id": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
async def test_a_note_that_can_not_be_read_is_none(redis_url: str, kept: str) -> None:
    """Losing a note loses nothing, so one that somebody spoiled is as good as lost."""
    async with contextlib.aclosing(connect(redis_url)) as redis:
        session = f"cs_{uuid.uuid4().hex}"
        await redis.set(f"{LEDGER}:checkout:{session}", kept)
        assert await markers_in(redis).recall_checkout(session) is None


async def test_markers_of_a_wrong_type_are_as_good_as_lost(redis_url: str) -> None:
    """They are misses, and the next writing replaces them."""
    async with contextlib.aclosing(connect(redis_url)) as redis:
        markers, session = markers_in(redis), f"cs_{uuid.uuid4().hex}"
        for kind in ("checkout", "processed", "processing"):
            await redis.rpush(f"{LEDGER}:{kind}:{session}", "1")
        assert await markers.recall_checkout(session) is None
        assert await markers.begin(session) is None
        await markers.finish(session, "evt_1")
        assert "evt_1" == await markers.begin(session)


def test_an_encrypted_address_is_connected_to_with_tls() -> None:
    """`rediss://` is no plain connection on another port."""
    redis = connect("rediss://default:token@eu1.upstash.io:6379")
    assert redis.connection_pool.connection_class is SSLConnection


@pytest.mark.parametrize("url", ["", "http://localhost:6379", "localhost:6379"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    """At the start, not at the first command."""
    with pytest.raises(ValueError, match="redis"):
        connect(url)


@pytest.mark.parametrize(("rest_url", "token"), [("", "t"), ("eu1.upstash.io", "t"), ("https://eu1.upstash.io", " ")])
def test_half_an_upstash_address_is_refused(rest_url: str, token: str) -> None:
    """The variable that is wrong is named."""
    with pytest.raises(ValueError, match="UPSTASH_REDIS_REST"):
        upstash_url(rest_url, token)


def test_any_token_survives_in_an_address() -> None:
    """Whatever characters it has, it is the password that Redis gets."""
    token = "a/b+c=d@e:f#g?h%i j"
    pool = connect(upstash_url("https://eu1.upstash.io", token)).connection_pool
    reported = (pool.connection_kwargs["username"], pool.connection_kwargs["password"], pool.connection_kwargs["host"])
    assert ("default", token, "eu1.upstash.io") == reported


@contextlib.asynccontextmanager
async def far_away(url: str, *, seconds: float) -> AsyncIterator[str]:
    """The Redis as if each byte travelled for so long, each way."""
    there = urlsplit(url)
    loop = asyncio.get_running_loop()

    writers: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while chunk := await reader.read(65536):
            loop.call_later(seconds, writer.write, chunk)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_redis = await asyncio.open_connection(there.hostname, there.port)
        await asyncio.gather(carry(reader, to_redis[1]), carry(to_redis[0], writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers))


async def test_a_distant_redis_is_reached(own_redis: str) -> None:
    """Connecting takes several round trips, longer than an answer may: it goes on while the first are told to go on."""
    async with far_away(own_redis, seconds=0.15) as url, contextlib.aclosing(connect(url)) as redis:
        quotas, ada = RedisQuotaCache(redis, ledger_keys()), account()
        with pytest.raises(CacheUnavailable):
            await quotas.store(ada)
        assert await manages(lambda: quotas.store(ada))
        assert await manages(lambda: quotas.find(ada.user_id))
        async with contextlib.aclosing(connect(own_redis)) as near:
            assert ada == await RedisQuotaCache(near, ledger_keys()).find(ada.user_id)


async def manages(call: Callable[[], Awaitable[object]]) -> bool:
    """Return whether a call is answered: a machine may be too slow for it, but not each time."""
    for _ in range(20):
        with contextlib.suppress(CacheUnavailable):
            await call()
            return True
    return False


async def test_a_command_that_can_not_be_sent_fails_alone(redis_url: str) -> None:
    """Those that travel with it are answered; its error is the client's, as any other's."""
    async with contextlib.aclosing(connect(redis_url)) as redis:
        key = f"test:{uuid.uuid4()}"
        commands = [("SET", key, "1"), ("GET", "\ud800"), ("GET", None), ("GET", key)]
        reported = await asyncio.gather(*(redis.execute_command(*one) for one in commands), return_exceptions=True)
        assert [True, DataError, DataError, "1"] == [
            type(one) if isinstance(one, Exception) else one for one in reported
        ]
        await redis.delete(key)
