"""Applies the migrations as the Supabase CLI does, and records them in its table."""

from pathlib import Path

import asyncpg
import attrs

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"

_LOCK = 7_266_335_410  # any number that is ours alone
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


async def apply(connection: "asyncpg.Connection[asyncpg.Record]", directory: Path = DIRECTORY) -> tuple[str, ...]:
    """Apply the pending migrations, each in its own transaction; return their names.

    :raises MigrationFailed: if one fails; those before it stay applied.
    """
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(_HISTORY)
        rows = await connection.fetch("select version from supabase_migrations.schema_migrations")
        standing = {row["version"] for row in rows}
        pending = [migration for migration in migrations(directory) if migration.version not in standing]
        for migration in pending:
            await _apply(connection, migration)
        return tuple(f"{migration.version}_{migration.name}" for migration in pending)
    except asyncpg.PostgresError as error:
        raise MigrationFailed("history", str(error)) from error
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements)"
                " values ($1, $2, array[$3])",
                migration.version,
                migration.name,
                migration.sql,
            )
    except asyncpg.PostgresError as error:
        message = str(error)
        if isinstance(error, asyncpg.InvalidSchemaNameError) and '"auth"' in message:
            message += "; this is not a Supabase database, which has that schema: give the URL of one"
        raise MigrationFailed(f"{migration.version}_{migration.name}", message) from error
