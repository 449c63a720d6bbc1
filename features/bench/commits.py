"""Measures commits a second: one by one in the database, and by group commit over both transports."""

import contextlib
from collections.abc import Callable

import uvloop

from adapters.batching.group_commit import GroupCommit
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.changes.changes import Committed
from features.bench import pgbench
from features.bench.callers import Call, alternating, keep_asking
from features.bench.changes import next_purchase, pgbench_minimal, pgbench_purchase, pgbench_rows
from features.bench.figures import Figure, Measured
from features.bench.servers import Servers

GOALS = {"Supabase": {64: 1.2, 256: 2.0}, "Postgres": {64: 2.0, 256: 3.0}}


def transports(servers: Servers) -> dict[str, Callable[[], PostgresRpc | SupabaseRpc]]:
    """Both ways to the ledger."""
    return {
        "Supabase": lambda: SupabaseRpc(servers.supabase_url, servers.service_key),
        "Postgres": lambda: PostgresRpc(servers.postgres_url),
    }


def committing(ledger: GroupCommit | SqlLedger, accounts: int) -> Call:
    """Commits one new purchase; a failure ends the measurement."""

    async def commit() -> None:
        (result,) = await ledger.commit([next_purchase(accounts)])
        if not isinstance(result, Committed):
            raise AssertionError(result)

    return commit


async def by_group_commit(
    make: Callable[[], PostgresRpc | SupabaseRpc], *, accounts: int, callers: int, seconds: float
) -> Measured:
    """The rate of purchases that are committed by so many callers of one process."""
    async with contextlib.aclosing(make()) as rpc, contextlib.aclosing(GroupCommit(SqlLedger(rpc))) as group:
        return await keep_asking(committing(group, accounts), callers=callers, seconds=seconds)


def measure(servers: Servers, *, accounts: int, seconds: float) -> list[Figure]:
    """The figures of commits; the limit is the same write function, one change a call, by pgbench."""
    minimal = pgbench.run(servers.postgres_url, pgbench_minimal(accounts), seconds=seconds)
    rows = pgbench.run(servers.postgres_url, pgbench_rows(accounts), seconds=seconds)
    limit = pgbench.run(servers.postgres_url, pgbench_purchase(accounts), seconds=seconds)
    figures = [
        Figure(
            name="its rows alone, nothing checked, pgbench",
            figure=rows.rate,
            unit="commits/s",
            limit=minimal.rate,
            limit_name="insert entry + update balance, pgbench, 16 connections",
            latency=rows.latency,
        ),
        Figure(
            name="ledger_commit of one change, pgbench",
            figure=limit.rate,
            unit="commits/s",
            limit=minimal.rate,
            limit_name="insert entry + update balance, pgbench, 16 connections",
            goal=0.4,
            latency=limit.latency,
        ),
    ]
    for name, make in transports(servers).items():
        for callers, goal in GOALS[name].items():
            measured = uvloop.run(by_group_commit(make, accounts=accounts, callers=callers, seconds=seconds))
            figures.append(
                Figure(
                    name=f"group commit over {name}, {callers} callers",
                    figure=measured.rate,
                    unit="commits/s",
                    limit=limit.rate,
                    limit_name="ledger_commit of one change, pgbench, 16 connections",
                    goal=goal,
                    latency=measured.latency,
                )
            )
        figures.append(uvloop.run(_alone(name, make, accounts=accounts, seconds=seconds)))
    return figures


async def _alone(name: str, make: Callable[[], PostgresRpc | SupabaseRpc], *, accounts: int, seconds: float) -> Figure:
    async with contextlib.aclosing(make()) as rpc, contextlib.aclosing(GroupCommit(SqlLedger(rpc))) as group:
        bare, grouped = await alternating(
            committing(SqlLedger(rpc), accounts), committing(group, accounts), seconds=seconds
        )
    return Figure(
        name=f"a lone commit over {name}",
        figure=grouped.latency.p50,
        unit="ms p50",
        limit=bare.latency.p50,
        limit_name="the same call without gathering, in turns, p50",
        goal=1.15,
        smaller_is_better=True,
        latency=grouped.latency,
    )
