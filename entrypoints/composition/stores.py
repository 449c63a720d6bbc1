"""Builds the storage: the addresses of ledger and cache, each started embedded if none is configured."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import attrs

from adapters.postgres import migrations
from adapters.postgres.address import InvalidAddress, read_address
from adapters.postgres.connections import DatabaseUnreachable, connected, no_connection
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresMissing
from adapters.redis.client import upstash_url
from adapters.redis.embedded import EmbeddedRedis, EmbeddedRedisMissing
from entrypoints.settings.reader import FILL_IN, PLACEHOLDER
from entrypoints.settings.settings import Settings

CANT_START = (
    EmbeddedPostgresMissing,
    EmbeddedRedisMissing,
    InvalidAddress,
    DatabaseUnreachable,
    migrations.MigrationFailed,
)
"""The errors that a person has to fix before the service can start; each message says how."""


@attrs.frozen(kw_only=True)
class Storage:
    """The addresses of ledger and cache; `postgres_url` is None if Supabase's API is used."""

    postgres_url: str | None
    redis_url: str


@contextlib.contextmanager
def storage(settings: Settings) -> Iterator[Storage]:
    """Yield the storage that the settings name; what they leave out is started embedded, and stopped at the end.

    :raises InvalidAddress: if SUPABASE_DB_URL says what can't be meant.
    :raises EmbeddedPostgresMissing: if the embedded Postgres is needed and not installed.
    :raises EmbeddedRedisMissing: likewise for Redis.
    """
    if settings.supabase_db_url is not None:
        read_address(settings.supabase_db_url)
    with contextlib.ExitStack() as stack:
        postgres_url, redis_url = settings.supabase_db_url, _redis_url(settings)
        if settings.embedded_storage:
            postgres = EmbeddedPostgres(Path(settings.data) / "postgres")
            stack.callback(postgres.stop)  # before it starts: Ctrl-C may come in the middle of that
            postgres_url = postgres.start()
        if redis_url is None:
            redis = EmbeddedRedis(Path(settings.data) / "redis")
            stack.callback(redis.stop)
            redis_url = redis.start()
        yield Storage(postgres_url=postgres_url, redis_url=redis_url)


async def migrate(database_url: str) -> tuple[str, ...]:
    """Apply the pending migrations and return their names.

    :raises InvalidAddress: if the address contains what cannot be meant.
    :raises DatabaseUnreachable: if the database cannot be reached.
    :raises MigrationFailed: if a migration fails.
    """
    if PLACEHOLDER in database_url:
        raise no_connection(database_url, f"the URL still contains {PLACEHOLDER}; {FILL_IN}")
    async with contextlib.AsyncExitStack() as ends:
        try:
            connection = await ends.enter_async_context(connected(database_url))
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise no_connection(database_url, error) from error
        return await migrations.apply(connection)


def _redis_url(settings: Settings) -> str | None:
    if settings.redis_url is not None:
        return settings.redis_url
    if settings.upstash_redis_rest_url and settings.upstash_redis_rest_token:
        return upstash_url(settings.upstash_redis_rest_url, settings.upstash_redis_rest_token)
    return None
