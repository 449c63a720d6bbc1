"""Synthetic users in a database like Supabase's: whose functions they are, and what Supabase Auth finds of them."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

AS_IN_SUPABASE = """
alter table auth.users alter column id drop default;
alter table auth.users
    add column instance_id uuid, add column aud varchar(255), add column role varchar(255),
    add column encrypted_password varchar(255), add column confirmation_token varchar(255),
    add column recovery_token varchar(255), add column email_change varchar(255),
    add column raw_app_meta_data jsonb, add column is_sso_user boolean not null default false,
    add column email_confirmed_at timestamptz,
    add column confirmed_at timestamptz generated always as (email_confirmed_at) stored;
"""
FUNCTIONS = (
    "credence_add_synthetic_users('fire-1', 1)",
    "credence_list_synthetic_users()",
    "credence_remove_synthetic_users('fire-1')",
)


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_supabase_auth_can_read_them(database_url: str) -> None:
    """A row has its id, its role, and texts where Supabase Auth fails on null; and no password opens it."""
    async with in_database(database_url) as connection:
        await connection.execute(AS_IN_SUPABASE)
        await connection.execute("set role service_role")
        made = json.loads(await connection.fetchval(f"select public.{FUNCTIONS[0]}"))
        await connection.execute("reset role")
        row = await connection.fetchrow(
            "select aud, role, encrypted_password, confirmation_token, recovery_token, email_change, raw_app_meta_data"
            " from auth.users where id = $1",
            made["users"][0]["user_id"],
        )
        assert ("authenticated", "authenticated", "", "", "", "", "{}") == tuple(row)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("function", FUNCTIONS)
async def test_nobody_but_the_service_calls_them(database_url: str, function: str, role: str) -> None:
    """A browser's key neither makes, lists nor removes users."""
    async with in_database(database_url) as connection:
        await connection.execute(f"set role {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval(f"select public.{function}")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize(
    "statement",
    [
        "select * from public.synthetic_users",
        "insert into public.synthetic_users (user_id, tag, number, email) values (gen_random_uuid(), 'a', 1, 'a')",
        "delete from public.synthetic_users",
        "select public.credence_sign_up_synthetic(gen_random_uuid(), 'eve@example.test')",
        "select public.credence_forget_traces('{}')",
    ],
)
async def test_nobody_writes_a_note_of_their_own(database_url: str, statement: str, role: str) -> None:
    """Who could note a real user as synthetic could have them removed: not even the service can."""
    async with in_database(database_url) as connection:
        await connection.execute(f"set role {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_the_notes_are_guarded_by_row_security(database_url: str) -> None:
    """Row level security is on, with no policy that lets anybody in."""
    async with in_database(database_url) as connection:
        guarded = "select relrowsecurity from pg_class where oid = 'public.synthetic_users'::regclass"
        assert await connection.fetchval(guarded)
        assert 0 == await connection.fetchval("select count(*) from pg_policies where tablename = 'synthetic_users'")
