"""The ledger behind poolers of connections: a real PgBouncer, in both of its modes, on any port."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE

import asyncpg
import pytest

from adapters.postgres.direct_rpc import DEFAULT_CONNECTIONS, PostgresRpc
from domain.upkeep.diagnosis import ConnectionKind
from domain.values.accounts import UserId
from features.harness.pgbouncer import Pooled

CALLS = 40
LOOKS = 600
"""Over two minutes: much longer than a connection may idle, and less than asyncpg lets it."""


async def sign_up(url: str) -> UserId:
    connection = await asyncpg.connect(url)
    try:
        return UserId(str(await connection.fetchval("insert into auth.users default values returning id")))
    finally:
        await connection.close()


async def ask(url: str, user: str, first: int) -> None:
    """Print whether calls of two functions, in turns, got their own answers: what one process does."""
    calls = [
        ("account_read", {"account_id": user}, "user_id"),
        ("balance_at", {"account_id": user, "moment": "2026-01-01T00:00:00+00:00"}, "held"),
    ]
    async with contextlib.aclosing(PostgresRpc(url)) as rpc:
        for number in range(CALLS):
            name, arguments, member = calls[(number + first) % 2]
            print(member in await rpc.value(name, arguments))


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_processes_behind_a_pooler_get_their_own_answers(database_url: str, pooled: Pooled, mode: str) -> None:
    """On a port that says nothing, where processes share connections, none is refused or gets another's answer.

    Real processes: in each, asyncpg counts its statements from one, so that the same name is another statement in
    every other one of them, which begins with the other function.
    """
    user = await sign_up(database_url)
    url = pooled(database_url, mode=mode, size=2 if mode == "transaction" else 20)
    program = f"import asyncio; from {__name__} import ask; asyncio.run(ask({url!r}, {user!r}, {{}}))"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program.format(place % 2), stdout=PIPE, stderr=PIPE)
        for place in range(4)
    ]
    said = [await process.communicate() for process in processes]
    assert [("True\n" * CALLS, "")] * 4 == [(out.decode(), errors.decode()) for out, errors in said]


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


async def test_connections_that_are_not_needed_are_given_back(database_url: str) -> None:
    """After many calls at once as many backends are there as may be, and soon none: others need them."""
    user = await sign_up(database_url)
    # The server takes the pause between two looks.
    others = (
        "select count(*) from pg_sleep(0.2), pg_stat_activity where datname = current_database()"
        " and backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    watcher = await asyncpg.connect(database_url)
    async with contextlib.aclosing(PostgresRpc(database_url)) as rpc:
        await asyncio.gather(*(rpc.value("account_read", {"account_id": user}) for _ in range(CALLS)))
        seen = [await watcher.fetchval(others)]
        while seen[-1] and len(seen) < LOOKS:
            seen.append(await watcher.fetchval(others))
        assert (DEFAULT_CONNECTIONS, 0) == (seen[0], seen[-1])
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
