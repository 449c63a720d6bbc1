"""Builds the storage: where the ledger and the cache are, started embedded where nothing else is configured."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import attrs

from adapters.postgres import migrations
from adapters.postgres.direct_rpc import CONNECT_SECONDS
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresMissing
from adapters.redis.client import upstash_url
from adapters.redis.embedded import EmbeddedRedis, EmbeddedRedisMissing
from entrypoints.settings.reader import FILL_IN, PLACEHOLDER
from entrypoints.settings.settings import Settings

CANT_START = (EmbeddedPostgresMissing, EmbeddedRedisMissing, migrations.MigrationFailed)
"""What a person has to mend before the service can start; each says how."""


@attrs.frozen(kw_only=True)
class Storage:
    """Where the ledger and the cache are; an address is None where Supabase's API is used instead."""

    postgres_url: str | None
    redis_url: str
    embedded_postgres: bool
    embedded_redis: bool


@contextlib.contextmanager
def storage(settings: Settings) -> Iterator[Storage]:
    """The storage that the settings name; what they leave out is started embedded, and stopped at the end.

    :raises EmbeddedPostgresMissing: if the embedded Postgres is needed and not installed.
    :raises EmbeddedRedisMissing: likewise for Redis.
    """
    with contextlib.ExitStack() as stack:
        postgres_url, redis_url = settings.supabase_db_url, _redis_url(settings)
        if settings.embedded_storage:
            postgres = EmbeddedPostgres(Path(settings.data) / "postgres")
            postgres_url = postgres.start()
            stack.callback(postgres.stop)
        if redis_url is None:
            redis = EmbeddedRedis(Path(settings.data) / "redis")
            redis_url = redis.start()
            stack.callback(redis.stop)
        yield Storage(
            postgres_url=postgres_url,
            redis_url=redis_url,
            embedded_postgres=settings.embedded_storage,
            embedded_redis=settings.embedded_cache,
        )


async def migrate(database_url: str) -> tuple[str, ...]:
    """Apply the migrations that the database lacks; returns their names.

    :raises MigrationFailed: if it can't be reached, or one fails.
    """
    if PLACEHOLDER in database_url:
        raise migrations.MigrationFailed("The database", f"the address still has {PLACEHOLDER} in it; {FILL_IN}")
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise migrations.MigrationFailed("The database", f"can't connect ({type(error).__name__}: {error})") from error
    try:
        return await migrations.apply(connection)
    finally:
        await connection.close()


def _redis_url(settings: Settings) -> str | None:
    if settings.redis_url is not None:
        return settings.redis_url
    if settings.upstash_redis_rest_url and settings.upstash_redis_rest_token:
        return upstash_url(settings.upstash_redis_rest_url, settings.upstash_redis_rest_token)
    return None
