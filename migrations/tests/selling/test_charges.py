"""Charges in the database itself: what may follow what, who may write, and rows found by index."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

NEW = """
    insert into public.charges (id, key, user_id, plan_id, credits, amount, currency)
    values ($1, $2, $3, 'a', 5, 50, 'usd')
"""
CARD = "charging_since = now(), card_read_at = now(), customer_id = 'cus_1', payment_method = 'pm_1'"
STATES = {
    "created": (),
    "charging": (f"status = 'charging', {CARD}",),
    "succeeded": (f"status = 'charging', {CARD}", "status = 'succeeded', payment_intent = 'pi_' || key"),
    "declined": (f"status = 'charging', {CARD}", "status = 'declined', code = 'lost_card'"),
    "requires_action": (f"status = 'charging', {CARD}", "status = 'requires_action'"),
    "abandoned": ("status = 'abandoned', code = 'interrupted'",),
}
FOLLOWING = {
    "created": {"created", "charging", "abandoned"},
    "charging": {"charging", "succeeded", "declined", "requires_action", "abandoned"},
}
ROWS = 5_000


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def charge_in(connection: Any, status: str) -> uuid.UUID:
    """A charge that came to a state as it should."""
    id_ = uuid.uuid4()
    await connection.execute(NEW, id_, id_.hex, uuid.uuid4())
    for change in STATES[status]:
        await connection.execute(f"update public.charges set {change} where id = $1", id_)
    return id_


async def is_refused(connection: Any, statement: str, *arguments: object) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(statement, *arguments)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError):
        return True
    return False


@pytest.mark.parametrize("before", STATES)
async def test_a_state_follows_only_what_it_may(database_url: str, before: str) -> None:
    """Whoever writes: nobody can make a declined charge a paid one, or charge an abandoned one."""
    async with connected(database_url) as connection:
        possible = set()
        for after in STATES:
            id_ = await charge_in(connection, before)
            known = "payment_intent = coalesce(payment_intent, 'pi_x' || key), code = coalesce(code, 'x')"
            card = f", {CARD}" if (before, after) == ("created", "charging") else ""
            intent = "" if after in ("created", "charging") else f", {known}"
            change = f"update public.charges set status = '{after}'{card}{intent} where id = $1"
            if not await is_refused(connection, change, id_):
                possible.add(after)
        assert FOLLOWING.get(before, set()) == possible


@pytest.mark.parametrize(
    "change",
    [
        "user_id = gen_random_uuid()",
        "amount = 1",
        "credits = 10 * credits",
        "currency = 'eur'",
        "plan_id = 'b'",
        "key = 'b'",
        "customer_id = 'cus_2'",
        "payment_method = 'pm_2'",
        "charging_since = charging_since - interval '1 hour'",
    ],
)
async def test_what_was_asked_stays_as_it_was(database_url: str, change: str) -> None:
    """A request for money is repeated word for word, and for as long as since the first one."""
    async with connected(database_url) as connection:
        id_ = await charge_in(connection, "charging")
        assert await is_refused(connection, f"update public.charges set {change} where id = $1", id_)
        assert await is_refused(connection, "delete from public.charges where id = $1", id_)


async def test_the_service_writes_by_functions_alone(database_url: str) -> None:
    """It may read the table; users may not even that, nor call the functions."""
    async with connected(database_url) as connection:
        id_ = await charge_in(connection, "charging")
        await connection.execute("set role service_role")
        assert not await is_refused(connection, "select from public.charges")
        assert await is_refused(connection, "update public.charges set due_at = now() where id = $1", id_)
        for role in ("anon", "authenticated"):
            await connection.execute(f"reset role; set role {role}")
            assert await is_refused(connection, "select from public.charges")
            assert await is_refused(connection, "select public.charge_claim_due(1)")


async def test_a_charge_is_found_by_index(database_url: str) -> None:
    """By its key, by its id, and as the one that is due longest, among thousands."""
    async with connected(database_url) as connection:
        await connection.execute(
            "insert into public.charges (id, key, user_id, plan_id, credits, amount, currency, due_at)"
            f" select gen_random_uuid(), 'key ' || n, gen_random_uuid(), 'a', 5, 50, 'usd', now() + n * interval '1 s'"
            f" from generate_series(-1, {ROWS}) n"
        )
        await connection.execute("analyze public.charges")
        await connection.execute("select pg_stat_reset()")
        async with connection.transaction():
            before = await reads(connection)
            due = json.loads(await connection.fetchval("select public.charge_claim_due(60)"))
            wanted = json.dumps({"key": "key 77", "user_id": str(uuid.uuid4()), "plan_id": "a"})
            assert await connection.fetchval("select public.charge_open($1, 60)", wanted)
            change = json.dumps({"pause_seconds": 5})
            assert await connection.fetchval(
                "select public.charge_change($1, 1, $2)", uuid.UUID(due["charge"]["id"]), change
            )
            assert before == await reads(connection)


async def reads(connection: Any) -> int:
    """How often the table was read from its beginning to its end."""
    query = "select seq_scan from pg_stat_xact_user_tables where relname = 'charges'"
    count: int = await connection.fetchval(query)
    return count
