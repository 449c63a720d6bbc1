"""Applies the migrations as the Supabase CLI does, and records them in its table."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import attrs

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
LOCK_SECONDS = 30
"""For another migration to end, and for the locks on tables that one needs."""

_LOCK = 7_266_335_410  # any number that is ours alone
_BEGIN_SECONDS = 5
_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""


@attrs.frozen
class MigrationFailed(Exception):
    """A migration failed; neither it nor any later one changed anything."""

    name: str
    message: str

    def __str__(self) -> str:
        return f"Migration {self.name} failed: {self.message}"


@attrs.frozen
class Migration:
    """One file of SQL, `<version>_<name>.sql`."""

    version: str
    name: str
    sql: str

    @property
    def title(self) -> str:
        """Return how the file is called."""
        return f"{self.version}_{self.name}"


def migrations(directory: Path = DIRECTORY) -> tuple[Migration, ...]:
    """Return every migration in the directory, in the order of application."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        version, _, name = path.stem.partition("_")
        found.append(Migration(version, name, path.read_text(encoding="utf-8")))
    return tuple(found)


def versions(directory: Path = DIRECTORY) -> tuple[str, ...]:
    """Return the versions of a complete schema."""
    return tuple(migration.version for migration in migrations(directory))


async def apply(
    connection: "asyncpg.Connection[asyncpg.Record]", directory: Path = DIRECTORY, *, lock_seconds: int = LOCK_SECONDS
) -> tuple[str, ...]:
    """Apply the pending migrations, each in its own transaction; return their names.

    It works on a connection of :func:`adapters.postgres.connections.connected`, behind a pooler too: nothing outlasts
    its transaction, neither a lock nor a statement.

    :raises MigrationFailed: if one fails, or has to wait too long; those before it stay applied.
    """
    found = migrations(directory)
    return tuple([migration.title for migration in found if await _apply(connection, migration, lock_seconds)])


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, lock_seconds: int) -> bool:
    """Return whether the migration was applied; it was before, else."""
    try:
        async with contextlib.AsyncExitStack() as transaction:
            async with asyncio.timeout(lock_seconds + _BEGIN_SECONDS):
                await transaction.enter_async_context(connection.transaction())
                await connection.execute(f"set local lock_timeout = '{lock_seconds}s'")
                await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
            await connection.execute(_HISTORY)
            history = "supabase_migrations.schema_migrations"
            known = f"select exists (select from {history} where version = $1)"  # noqa: S608 - our own table
            if await connection.fetchval(known, migration.version):
                return False
            await connection.execute(migration.sql)
            noted = f"insert into {history} (version, name, statements) values ($1, $2, array[$3])"  # noqa: S608
            await connection.execute(noted, migration.version, migration.name, migration.sql)
            return True
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise MigrationFailed(migration.title, _explained(error, lock_seconds)) from error


def _explained(error: Exception, lock_seconds: int) -> str:
    match error:
        case asyncpg.LockNotAvailableError():
            return (
                f"a lock that it needs was not free for {lock_seconds} seconds: another `credence migrate` is at work, "
                "or a transaction of your own is open on the same tables; run the command again when that is over"
            )
        case asyncpg.InvalidSchemaNameError() if '"auth"' in str(error):
            return f"{error}; this is not a Supabase database, which has that schema: give the URL of one"
        case asyncpg.PostgresError() if not isinstance(error, asyncpg.PostgresConnectionError):
            return str(error)
        case TimeoutError():
            waited = lock_seconds + _BEGIN_SECONDS
            return f"the database did not start it within {waited} seconds; a pooler may have no free connection"
        case _:
            said = str(error).rstrip(".") or type(error).__name__
            return f"the connection was lost ({said}); run the command again; what is already applied is left alone"
