"""`credence migrate` behind a real PgBouncer, where locks and statements of sessions are anybody's."""

import asyncio
import os
import signal
import uuid
from pathlib import Path
from types import NoneType

import asyncpg
import pytest
from click.testing import CliRunner

from adapters.postgres import migrations
from adapters.postgres.connections import connected
from adapters.postgres.embedded import PRELUDE
from entrypoints.cli.main import main
from entrypoints.composition import stores
from features.harness.pgbouncer import Pooled
from features.real_parts import database, execute

ALL = [migration.title for migration in migrations.migrations()]
DONE = "The database is up to date."
RUNS = 8


@pytest.fixture
def project(postgres_url: str) -> str:
    """A database as a fresh Supabase project has it."""
    name = f"project_{uuid.uuid4().hex}"
    asyncio.run(execute(postgres_url, f"create database {name}"))
    asyncio.run(execute(database(postgres_url, name), PRELUDE.read_text()))
    return database(postgres_url, name)


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_any_number_at_once_apply_each_migration_once(project: str, pooled: Pooled, mode: str) -> None:
    """None fails, none waits for ever, and none leaves a lock in a session that a pooler keeps."""
    url = pooled(project, mode=mode, size=3 if mode == "transaction" else RUNS)
    applied = await asyncio.gather(*(stores.migrate(url) for _ in range(RUNS)))
    assert ALL == sorted(name for names in applied for name in names)
    assert 0 == await locks_of(project)


async def locks_of(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and database ="
            " (select oid from pg_database where datname = current_database())"
        )
        return found
    finally:
        await connection.close()


async def test_who_waits_for_another_is_told_so(project: str, pooled: Pooled) -> None:
    """A lock that somebody keeps ends the command with words, after a bounded time; nothing of it was applied."""
    holder = await asyncpg.connect(project)
    try:
        await holder.execute("select pg_advisory_lock(7266335410)")
        async with connected(pooled(project)) as connection:
            with pytest.raises(migrations.MigrationFailed, match=r"not free for 1 seconds.*run the command again"):
                await migrations.apply(connection, lock_seconds=1)
        assert await holder.fetchval("select to_regclass('public.users') is null")
    finally:
        await holder.close()


async def test_a_migration_that_loses_its_connection_says_so(project: str, pooled: Pooled) -> None:
    """What can be repeated is said, and repeating it does the rest."""
    url = pooled(project)
    holder = await asyncpg.connect(project)
    try:
        await holder.execute("select pg_advisory_lock(7266335410)")
        async with connected(url) as connection:
            waiting = asyncio.ensure_future(migrations.apply(connection))
            while not await holder.fetchval(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted"
            ):
                pass
            with pytest.raises(migrations.MigrationFailed, match=r"the connection was lost .*; run the command again"):
                await waiting
    finally:
        await holder.close()
    async with connected(url) as connection:
        assert ALL == [*await migrations.apply(connection)]


async def test_a_server_that_falls_silent_is_given_up(project: str) -> None:
    """After its transaction has begun: neither a lock's own limit nor a rollback is ever answered."""
    holder = await asyncpg.connect(project)
    waits = "select pid from pg_locks where locktype = 'advisory' and not granted"
    silent = None
    try:
        await holder.execute("select pg_advisory_lock(7266335410)")
        async with connected(project) as connection:
            waiting = asyncio.ensure_future(migrations.apply(connection, lock_seconds=5))
            while silent is None:
                silent = await holder.fetchval(waits)
            os.kill(silent, signal.SIGSTOP)
            with pytest.raises(migrations.MigrationFailed, match=r"did not start it within 10 seconds"):
                await waiting
    finally:
        if silent is not None:
            os.kill(silent, signal.SIGCONT)
        await holder.close()
    async with connected(project) as connection:
        assert ALL == [*await migrations.apply(connection)]


async def test_a_migration_without_end_is_given_up(project: str, tmp_path: Path) -> None:
    """With words for what to do; those before it stay."""
    for number, query in ((1, "select 1"), (2, "select pg_sleep(3600)")):
        (tmp_path / f"{number}_step.sql").write_text(query)
    async with connected(project) as connection:
        with pytest.raises(migrations.MigrationFailed, match=r"2_step failed: .*statement timeout; run the command"):
            await migrations.apply(connection, tmp_path, seconds=1)
    async with connected(project) as connection:
        applied = "select array_agg(version) from supabase_migrations.schema_migrations"
        assert ["1"] == await connection.fetchval(applied)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("?pgbouncer=true&connection_limit=1&pool_timeout=0&schema=public", DONE),
        ("?pool_mode=transaction", DONE),
        ("?pgbouncer=maybe", "pgbouncer must be true or false"),
        ("?pool_mode=statement", "pool_mode must be transaction or session"),
        ("?connection_limit=none", "connection_limit must be a number between 1 and 100"),
        ("?colour=blue", "colour"),
    ],
)
def test_what_prisma_writes_is_understood_or_refused(
    database_url: str, pooled: Pooled, parameters: str, said: str
) -> None:
    """Behind the ? of an address: what is only for others is left out, what can't be meant is named."""
    url = pooled(database_url, parameters=parameters)
    done = CliRunner().invoke(main, ["migrate", "--database-url", url])
    assert said in done.output
    assert (said != DONE) == done.exit_code, done.output
    assert isinstance(done.exception, SystemExit | NoneType)
