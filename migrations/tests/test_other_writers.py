"""Projects that wrote credits_balance themselves: what becomes of their sign-ups, and what their backends get."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

WELCOMING = """
create or replace function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = '' as
$$ begin insert into public.users (id, email, credits_balance) values (new.id, new.email, 25); return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Any]:
    """Open a connection of the owner's, and see that the ledger agrees with itself after it."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
        await connection.execute("reset role")
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
    finally:
        await connection.close()


async def entries(connection: Any, user: uuid.UUID) -> list[tuple[str, int, int]]:
    query = "select kind, amount, balance_after from public.credit_transactions where user_id = $1 order by version"
    return [tuple(row) for row in await connection.fetch(query, user)]


async def spend(connection: Any, user: uuid.UUID, amount: int) -> str:
    posting = {"user_id": str(user), "amount": -amount, "kind": "spend", "idempotency_key": uuid.uuid4().hex}
    (answer,) = json.loads(
        await connection.fetchval("select public.ledger_commit($1)", json.dumps([{"entries": [posting]}]))
    )
    return str(answer.get("reason", answer["status"]))


async def test_a_sign_up_with_credits_opens_the_account_with_them(database_url: str) -> None:
    """They can be spent, and no more than they are."""
    async with in_database(database_url) as connection:
        await connection.execute(WELCOMING)
        ada = await connection.fetchval("insert into auth.users default values returning id")
        assert [("opening", 25, 25)] == await entries(connection, ada)
        assert ["insufficient_credits", "committed"] == [
            await spend(connection, ada, 26),
            await spend(connection, ada, 25),
        ]
        assert [("opening", 25, 25), ("spend", -25, 0)] == await entries(connection, ada)


@pytest.mark.parametrize("amount", [25, -5, 0])
async def test_a_default_of_the_column_opens_accounts_too(database_url: str, amount: int) -> None:
    """A debt is one from the start; nothing needs no entry."""
    async with in_database(database_url) as connection:
        await connection.execute(f"alter table public.users alter column credits_balance set default {amount}")
        ada = await connection.fetchval("insert into auth.users default values returning id")
        assert [("opening", amount, amount)] * bool(amount) == await entries(connection, ada)


@pytest.mark.parametrize("balance", [0, 5, 25])
async def test_a_user_who_is_made_once_more_has_what_the_ledger_says(database_url: str, balance: int) -> None:
    """The entries outlive the row: the welcome is not given twice, and what was left is not lost."""
    async with in_database(database_url) as connection:
        await connection.execute(WELCOMING)
        ada = await connection.fetchval("insert into auth.users default values returning id")
        assert "committed" == await spend(connection, ada, 20)
        await connection.execute("delete from public.users where id = $1", ada)
        await connection.execute("insert into public.users (id, credits_balance) values ($1, $2)", ada, balance)
        assert 5 == await connection.fetchval("select credits_balance from public.users where id = $1", ada)
        assert [("opening", 25, 25), ("spend", -20, 5)] == await entries(connection, ada)


@pytest.mark.parametrize(
    "change",
    ["credits_balance = credits_balance + 1", "credits_held = 1", "credits_version = 9", "credits_revision = 9"],
)
async def test_a_backend_writes_no_credits_beside_the_ledger(database_url: str, change: str) -> None:
    """With the key of service_role it is told what to do instead; the project's own columns stay its own."""
    async with in_database(database_url) as connection:
        await connection.execute("alter table public.users add column nickname text")
        ada = await connection.fetchval("insert into auth.users default values returning id")
        await connection.execute("grant all on public.users to service_role")
        await connection.execute("set role service_role")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="by the ledger alone") as refused:
            await connection.execute(f"update public.users set {change} where id = $1", ada)
        assert "/usage" in refused.value.hint
        assert "UPDATE 1" == await connection.execute("update public.users set nickname = 'Ada' where id = $1", ada)


async def test_a_backend_may_make_users_with_credits(database_url: str) -> None:
    """As a sign-up in the database may; but not with entries that are not there."""
    async with in_database(database_url) as connection:
        ada = await connection.fetchval("insert into auth.users default values returning id")
        await connection.execute("delete from public.users where id = $1", ada)
        await connection.execute("grant all on public.users to service_role")
        await connection.execute("set role service_role")
        insert = "insert into public.users (id, credits_balance, credits_version) values ($1, 10, $2)"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="by the ledger alone"):
            await connection.execute(insert, ada, 1)
        await connection.execute(insert, ada, 0)
        assert [("opening", 10, 10)] == await entries(connection, ada)
        assert "committed" == await spend(connection, ada, 10)
        row = await connection.fetchrow("select * from public.sync_user_credits($1)", ada)
        assert (0, False) == (row["balance"], row["repaired"])


@pytest.mark.parametrize("entries_before", [True, False])
async def test_a_user_who_is_made_once_more_goes_on_after_the_last_revision(
    database_url: str, entries_before: bool
) -> None:
    """A hold raises the revision without an entry: a cache that has that one takes none that is older."""
    async with in_database(database_url) as connection:
        ada = await connection.fetchval("insert into auth.users default values returning id")
        if entries_before:
            await connection.execute("delete from public.users where id = $1", ada)
            await connection.execute("insert into public.users (id, credits_balance) values ($1, 25)", ada)
        for _ in range(2):
            await connection.execute(
                "update public.users set credits_revision = credits_revision + 7 where id = $1", ada
            )
            last = await connection.fetchval("select credits_revision from public.users where id = $1", ada)
            await connection.execute("delete from public.users where id = $1", ada)
            await connection.execute("insert into public.users (id) values ($1)", ada)
            now = await connection.fetchrow("select * from public.users where id = $1", ada)
            assert last < now["credits_revision"]
            assert 25 * entries_before == now["credits_balance"]
