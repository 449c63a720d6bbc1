"""Applies the migrations as the Supabase CLI does, and records them in its table."""

import asyncio
from pathlib import Path

import asyncpg
import attrs

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
LOCK_SECONDS = 30
"""For another migration to end, and for the locks on tables that one needs."""

APPLY_SECONDS = 900
"""For the database to answer each statement of a migration: a new index of a large table takes minutes."""

_LOCK = 7_266_335_410  # any number that is ours alone
_BEGIN_SECONDS = 5
_NOT_STARTED = "the database did not start it within {} seconds; a pooler may have no free connection"
_SILENT = (
    "the database did not answer within {} seconds, and may still be at work on it; run the command again when that is "
    "over; what is already applied is left alone"
)
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
    connection: "asyncpg.Connection[asyncpg.Record]",
    directory: Path = DIRECTORY,
    *,
    lock_seconds: int = LOCK_SECONDS,
    seconds: int = APPLY_SECONDS,
) -> tuple[str, ...]:
    """Apply the pending migrations, each in its own transaction; return their names.

    It works on a connection of :func:`adapters.postgres.connections.connected`, behind a pooler too: nothing outlasts
    its transaction, neither a lock nor a statement.

    :raises MigrationFailed: if one fails, or has to wait too long; those before it stay applied.
    """
    limit = _Limit(connection)
    return tuple(
        [
            migration.title
            for migration in migrations(directory)
            if await _apply(connection, migration, limit, lock_seconds=lock_seconds, seconds=seconds)
        ]
    )


@attrs.define
class _Limit:
    """Closes a connection that is silent too long: what waits for an answer then, a rollback too, is an error."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    seconds: int = 0
    has_passed: bool = False
    _end: asyncio.TimerHandle | None = None

    def begin(self, seconds: int) -> None:
        """Let the limit be so many seconds from now."""
        self.stop()
        self.seconds = seconds
        self._end = asyncio.get_running_loop().call_later(seconds, self._close)

    def stop(self) -> None:
        """Let there be no limit."""
        if self._end is not None:
            self._end.cancel()

    def _close(self) -> None:
        self.has_passed = True
        self.connection.terminate()


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]",
    migration: Migration,
    limit: _Limit,
    *,
    lock_seconds: int,
    seconds: int,
) -> bool:
    """Return whether the migration was applied; it was before, else."""
    has_begun = False
    try:
        limit.begin(lock_seconds + _BEGIN_SECONDS)
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{lock_seconds}s'")
            await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
            has_begun = True
            # The server ends what takes too long, and frees its locks; the limit is for one that is silent.
            await connection.execute(f"set local statement_timeout = '{seconds}s'")
            limit.begin(seconds + _BEGIN_SECONDS)
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
        if limit.has_passed:
            why = _SILENT if has_begun else _NOT_STARTED
            raise MigrationFailed(migration.title, why.format(limit.seconds)) from error
        raise MigrationFailed(migration.title, _explained(error, lock_seconds)) from error
    finally:
        limit.stop()


def _explained(error: Exception, lock_seconds: int) -> str:
    match error:
        case asyncpg.LockNotAvailableError():
            return (
                f"a lock that it needs was not free for {lock_seconds} seconds: another `credence migrate` is at work, "
                "or a transaction of your own is open on the same tables; run the command again when that is over"
            )
        case asyncpg.QueryCanceledError():
            return f"{error}; run the command again when the database has less to do"
        case asyncpg.InvalidSchemaNameError() if '"auth"' in str(error):
            return f"{error}; this is not a Supabase database, which has that schema: give the URL of one"
        case asyncpg.PostgresError() if not isinstance(error, asyncpg.PostgresConnectionError):
            return str(error)
        case _:
            said = str(error).rstrip(".") or type(error).__name__
            return f"the connection was lost ({said}); run the command again; what is already applied is left alone"
