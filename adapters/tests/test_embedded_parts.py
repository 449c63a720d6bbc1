"""The embedded Postgres and Redis: real servers that survive restarts and killed owners."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
import redis

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.redis.embedded import EmbeddedRedis

OWNER = """
import pathlib, sys, time
from adapters.{module} import {name}
print({name}(pathlib.Path(sys.argv[1])).start(), flush=True)
sys.stdin.read()
"""


async def started(server: EmbeddedPostgres) -> str:
    """Start a server, which migrates in a loop of its own; returns its address."""
    return await asyncio.to_thread(server.start)


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def start_and_kill(module: str, name: str, directory: Path) -> str:
    """Start a part in another process, and kill that process; returns the part's address."""
    command = [sys.executable, "-c", OWNER.format(module=module, name=name), str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        os.kill(owner.pid, signal.SIGKILL)
    return url


async def test_postgres_keeps_its_data(new_server_folder: Callable[[], Path]) -> None:
    """What was written is there after a stop and a start, and the schema is not applied twice."""
    folder = new_server_folder()
    server = EmbeddedPostgres(folder / "postgres")
    await value(await started(server), "insert into auth.users (email) values ('ada@example.com') returning 1")
    server.stop()
    again = EmbeddedPostgres(folder / "postgres")
    assert 1 == await value(await started(again), "select count(*) from public.users")
    again.stop()


async def test_postgres_survives_a_killed_owner(new_server_folder: Callable[[], Path]) -> None:
    """The next process joins the server that a killed one left, and stops it in the end."""
    folder = new_server_folder()
    url = start_and_kill("postgres.embedded", "EmbeddedPostgres", folder / "postgres")
    server = EmbeddedPostgres(folder / "postgres")
    assert url == await started(server)
    assert 0 == await value(url, "select count(*) from public.users")
    server.stop()
    with pytest.raises(OSError, match=r"No such file|refused"):
        await value(url, "select 1")


def test_redis_survives_a_killed_owner(new_server_folder: Callable[[], Path]) -> None:
    """The next process joins the server that a killed one left, and stops it in the end."""
    folder = new_server_folder()
    url = start_and_kill("redis.embedded", "EmbeddedRedis", folder / "redis")
    server = EmbeddedRedis(folder / "redis")
    assert url == server.start()
    with redis.Redis.from_url(url) as client:
        assert client.ping()
    server.stop()
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_redis_does_not_join_anothers_server(new_server_folder: Callable[[], Path]) -> None:
    """An address that was left behind and is another's server now is not taken."""
    folder = new_server_folder()
    other = EmbeddedRedis(folder / "other")
    url = other.start()
    (folder / "mine").mkdir()
    (folder / "mine" / "address").write_text(f"{url} 1")
    mine = EmbeddedRedis(folder / "mine")
    assert url != mine.start()
    mine.stop()
    other.stop()
