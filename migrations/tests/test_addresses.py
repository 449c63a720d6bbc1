"""Addresses that change in Supabase Auth: who follows, and that nobody's change of address fails by it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

BEFORE, AFTER = "ada@before.example", "ada@after.example"


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Any]:
    """Open a connection of the owner's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def sign_up(connection: Any, email: str | None = BEFORE) -> Any:
    return await connection.fetchval("insert into auth.users (email) values ($1) returning id", email)


async def move(connection: Any, user: Any, email: str | None = AFTER) -> None:
    assert "UPDATE 1" == await connection.execute("update auth.users set email = $2 where id = $1", user, email)


async def known(connection: Any, user: Any) -> str | None:
    email: str | None = await connection.fetchval("select email from public.users where id = $1", user)
    return email


@pytest.mark.parametrize(("before", "after"), [(BEFORE, AFTER), (None, AFTER), (BEFORE, None)])
async def test_an_address_follows(database_url: str, before: str | None, after: str | None) -> None:
    """From one to another, to the first one, and to none; nobody else's changes."""
    async with in_database(database_url) as connection:
        ada, bob = await sign_up(connection, before), await sign_up(connection, "bob@example.com")
        await move(connection, ada, after)
        assert [after, "bob@example.com"] == [await known(connection, ada), await known(connection, bob)]


async def test_it_follows_again_and_again(database_url: str) -> None:
    """Also where the project had written it in capitals."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        for email in (AFTER, "ada@later.example", BEFORE):
            await connection.execute("update public.users set email = upper(email)")
            await move(connection, ada, email)
            assert email == await known(connection, ada)


async def test_the_role_that_changes_addresses_needs_no_rights(database_url: str) -> None:
    """Supabase Auth owns its own table, and nothing of ours."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        await connection.execute(
            "create role auth_of_addresses; grant usage on schema auth to auth_of_addresses;"
            " grant select, update on auth.users to auth_of_addresses"
        )
        try:
            await connection.execute("set role auth_of_addresses")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await known(connection, ada)
            await move(connection, ada)
            await connection.execute("reset role")
            assert AFTER == await known(connection, ada)
        finally:
            await connection.execute("reset role; drop owned by auth_of_addresses; drop role auth_of_addresses")


async def test_an_address_of_the_project_s_own_stays(database_url: str) -> None:
    """Where public.users.email is written by others it may be another address, one for invoices, say."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        await connection.execute("update public.users set email = 'invoices@ada.example'")
        await move(connection, ada)
        assert "invoices@ada.example" == await known(connection, ada)


async def test_a_project_s_own_trigger_goes_first(database_url: str) -> None:
    """What it writes of the change is what stands."""
    async with in_database(database_url) as connection:
        await connection.execute(
            "create function public.on_address() returns trigger language plpgsql security definer set search_path = ''"
            " as $$ begin update public.users u set email = 'by-hand:' || new.email where u.id = new.id;"
            " return new; end $$;"
            " create trigger on_address after update on auth.users for each row execute function public.on_address()"
        )
        ada = await sign_up(connection)
        await move(connection, ada)
        assert f"by-hand:{AFTER}" == await known(connection, ada)


REFUSALS = {
    "unique": "alter table public.users add constraint theirs unique (email)",
    "not null": "alter table public.users alter column email set not null",
    "a check": f"alter table public.users add constraint theirs check (email <> '{AFTER}') not valid",
    "a trigger": (
        "create function public.refuse() returns trigger language plpgsql set search_path = ''"
        " as $$ begin raise exception 'no'; end $$;"
        " create trigger refuse before update on public.users for each row execute function public.refuse()"
    ),
}


@pytest.mark.parametrize("how", REFUSALS)
async def test_a_change_of_address_never_fails_by_it(database_url: str, how: str) -> None:
    """Whatever the project's own constraints refuse, Supabase Auth has the new address, and our row stays."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        bob = await sign_up(connection, "bob@example.com")
        await connection.execute("update public.users set email = $2 where id = $1", bob, AFTER)
        await connection.execute(REFUSALS[how])
        warned: list[str] = []
        connection.add_log_listener(lambda _, message: warned.append(message.message))
        await move(connection, ada, None if how == "not null" else AFTER)
        assert BEFORE == await known(connection, ada)
        assert [True] == [f"the address of user {ada} stays" in reported for reported in warned]


async def test_a_user_without_a_row_may_move_too(database_url: str) -> None:
    """There is nothing to change."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        await connection.execute("delete from public.users where id = $1", ada)
        await move(connection, ada)
        assert await known(connection, ada) is None


async def test_credits_do_not_move_by_it(database_url: str) -> None:
    """An address is no change of the account: its revision, and so the cache's copy, stays good."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        columns = "credits_balance, credits_held, credits_version, credits_revision"
        query = f"select {columns} from public.users where id = $1"
        before = await connection.fetchrow(query, ada)
        await move(connection, ada)
        assert before == await connection.fetchrow(query, ada)
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
