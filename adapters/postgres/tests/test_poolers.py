"""The ledger behind poolers of connections: a real PgBouncer, in both of its modes, on any port."""

import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from domain.upkeep.diagnosis import ConnectionKind
from domain.values.accounts import UserId
from features.harness.pgbouncer import Pooled

CALLS = 40


async def sign_up(url: str) -> UserId:
    connection = await asyncpg.connect(url)
    try:
        return UserId(str(await connection.fetchval("insert into auth.users default values returning id")))
    finally:
        await connection.close()


async def asked_of(rpc: PostgresRpc, user: UserId, other: bool) -> list[Any]:
    """What calls of two functions say, in an order of the process's own, so that its statements' numbers differ."""
    calls = {
        "account_read": ({"account_id": user}, "user_id"),
        "balance_at": ({"account_id": user, "moment": "2026-01-01T00:00:00+00:00"}, "held"),
    }
    said = []
    for number in range(CALLS):
        name = [*calls][(number + other) % 2]
        arguments, member = calls[name]
        answer = await rpc.value(name, arguments)
        said.append(member in answer)
    return said


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_processes_behind_a_pooler_get_their_own_answers(database_url: str, pooled: Pooled, mode: str) -> None:
    """On a port that says nothing, where processes share connections, none is refused or gets another's answer."""
    user = await sign_up(database_url)
    url = pooled(database_url, mode=mode, size=2 if mode == "transaction" else 20)
    async with contextlib.AsyncExitStack() as ends:
        rpcs = [await ends.enter_async_context(contextlib.aclosing(PostgresRpc(url))) for _ in range(4)]
        said = await asyncio.gather(*(asked_of(rpc, user, bool(place % 2)) for place, rpc in enumerate(rpcs)))
    assert [[True] * CALLS] * 4 == said


async def test_three_processes_leave_a_session_pooler_of_15_connections_to_others(
    database_url: str, pooled: Pooled
) -> None:
    """However much is asked of them at once, a command beside them is answered."""
    user = await sign_up(database_url)
    url = pooled(database_url, mode="session", size=15)
    async with contextlib.AsyncExitStack() as ends:
        rpcs = [await ends.enter_async_context(contextlib.aclosing(PostgresRpc(url))) for _ in range(3)]
        calls = [rpc.value("account_read", {"account_id": user}) for rpc in rpcs for _ in range(CALLS)]
        assert {user} == {answer["user_id"] for answer in await asyncio.gather(*calls)}
        async with contextlib.aclosing(PostgresRpc(url)) as command:
            assert user == (await command.value("account_read", {"account_id": user}))["user_id"]


@pytest.mark.parametrize(
    ("parameters", "connections", "most"),
    [("", None, 4), ("&connection_limit=2", None, 2), ("&connection_limit=2", 3, 3)],
)
async def test_a_process_opens_as_many_connections_as_it_may(
    database_url: str, parameters: str, connections: int | None, most: int
) -> None:
    """The setting counts before the address, and the address before the default."""
    user = await sign_up(database_url)
    async with contextlib.aclosing(PostgresRpc(database_url + parameters, connections=connections)) as rpc:
        await asyncio.gather(*(rpc.value("account_read", {"account_id": user}) for _ in range(CALLS)))
        watcher = await asyncpg.connect(database_url)
        try:
            seen = await watcher.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
            assert most == seen
        finally:
            await watcher.close()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (None, ConnectionKind.DIRECT),
        ("session", ConnectionKind.SESSION_POOLER),
        ("transaction", ConnectionKind.TRANSACTION_POOLER),
    ],
)
async def test_what_is_in_between_is_found_out(
    database_url: str, pooled: Pooled, mode: str | None, kind: ConnectionKind
) -> None:
    """Whatever the address says: by what the two modes do with two clients."""
    url = database_url if mode is None else pooled(database_url, mode=mode)
    async with contextlib.aclosing(PostgresRpc(url)) as rpc:
        assert kind == await rpc.connection_kind()
