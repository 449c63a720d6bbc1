"""Customers at Stripe in the schema: who may change them, and that no change of address is missed or fails by them."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from migrations.tests.test_addresses import AFTER, BEFORE, in_database, move, sign_up

QUEUED = "select payload ->> 'user_id' from public.outbox where topic = 'customer_address'"


async def link(connection: Any, user: Any, customer: str = "cus_1", email: str | None = BEFORE) -> Any:
    answer = await connection.fetchval("select public.customer_link($1, $2, $3, null)", user, customer, email)
    return json.loads(answer) if answer else None


async def queued(connection: Any) -> list[str]:
    return [row[0] for row in await connection.fetch(QUEUED)]


async def test_an_address_that_follows_supabase_auth_goes_on_to_stripe(database_url: str) -> None:
    """By roles without any right on the outbox, once for each transaction."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        await link(connection, ada)
        async with connection.transaction():
            await move(connection, ada, "ada@first.example")
            await move(connection, ada)
        assert [str(ada)] == await queued(connection)
        await move(connection, ada)
        assert [str(ada)] == await queued(connection), "it is the same address"


async def test_an_address_that_changes_while_the_customer_is_linked_is_not_missed(database_url: str) -> None:
    """Whichever of the two is first: the other one waits, and sees it."""
    async with in_database(database_url) as one, in_database(database_url) as another:
        ada, bob = await sign_up(one), await sign_up(one, "bob@example.com")
        async with one.transaction():
            await move(one, ada)
            linking = asyncio.create_task(link(another, ada))
            await waits(one, another)
        assert {"customer_id": "cus_1", "is_deleted": False} == await linking
        assert [str(ada)] == await queued(one)
        async with one.transaction():
            await link(one, bob, "cus_2", "bob@example.com")
            moving = asyncio.create_task(move(another, bob, "bob@after.example"))
            await waits(one, another)
        await moving
        assert [str(ada), str(bob)] == await queued(one)


async def waits(one: Any, another: Any) -> None:
    """Return once the other connection waits for a lock of this one's."""
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = $1"
    pid = another.get_server_pid()
    for _ in range(20_000):
        if await one.fetchval(query, pid):
            return
    raise AssertionError("nobody waits")


async def test_a_change_of_address_never_fails_by_the_customer(database_url: str) -> None:
    """Whatever prevents the message, the user has the new address."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection)
        await link(connection, ada)
        await connection.execute("alter table public.outbox add constraint theirs check (topic <> 'customer_address')")
        warned: list[str] = []
        connection.add_log_listener(lambda _, message: warned.append(message.message))
        await move(connection, ada)
        assert AFTER == await connection.fetchval("select email from public.users where id = $1", ada)
        assert [True] == [f"the address of the customer of user {ada} stays" in reported for reported in warned]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
async def test_nobody_links_customers_but_by_the_function(database_url: str, role: str) -> None:
    """The service reads them and calls it; users see nothing of it."""
    statements = [
        "insert into public.stripe_customers (user_id, customer_id) values (gen_random_uuid(), 'cus_2')",
        "update public.stripe_customers set customer_id = 'cus_2'",
        "delete from public.stripe_customers",
    ]
    if role != "service_role":
        statements += [
            "select * from public.stripe_customers",
            "select public.customer_of(gen_random_uuid())",
            "select public.customer_link(gen_random_uuid(), 'cus_2', null, null)",
            "select public.customer_deleted('cus_1')",
            "select public.customers_linked('[]', '[]')",
            "select public.credence_queue_address(gen_random_uuid())",
        ]
    async with in_database(database_url) as connection:
        await link(connection, await sign_up(connection))
        await connection.execute(f"set role {role}")
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
