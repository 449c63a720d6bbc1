"""The bytes that a purchase and a spend leave behind for ever, in packed tables with all indexes, and in Redis."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import attrs
import redis.asyncio
import uvloop

from features.bench.accounts import FIRST, ID_HEAD
from features.bench.cpu.builds import OURS, Build, MigratedPostgres, deployed
from features.bench.cpu.deployments import Deployment
from features.bench.figures import Figure
from features.bench.requests import spends, webhooks
from features.bench.servers import Servers, running

OWN, OTHER = "this checkout", "the other checkout"
GOALS = {"a purchase without its event's body": 0.55, "a spend": 0.55, "an account in Redis": 0.71}
LINES = "*-????-????-????-????????????"
"""Keys that end with a user's id: in each version those of the quota cache."""
SLICE = 2_500
"""Requests at a time: a load has its limit of time."""
SIZES = """
    select c.relname as name, pg_total_relation_size(c.oid) as bytes
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1
"""


@attrs.frozen(kw_only=True)
class Left:
    """Bytes that one of its kind leaves, by the table whose rows and indexes they are."""

    by_table: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.by_table.values())

    def __str__(self) -> str:
        """Say the largest first, of those that are a byte at least."""
        parts = sorted(self.by_table.items(), key=lambda part: -part[1])
        return ", ".join(f"{name} {size:.0f}" for name, size in parts if round(size))


def measure(folder: Path, *, against: Path | None, requests: int) -> Iterator[Figure]:
    """Give the figures of this checkout, beside another one's.

    :raises features.bench.cpu.builds.BuildNotSetUp: if the other has no `.venv`.
    """
    found = {OWN: _measured(folder / "own", OURS, requests)}
    if against:
        found[OTHER] = _measured(folder / "other", Build(against), requests)
    for name, left in found[OWN].items():
        limit = found[OTHER][name] if OTHER in found else None
        yield Figure(
            name=f"bytes of {name}",
            figure=left.total,
            unit="bytes",
            limit=limit.total if limit else None,
            limit_name=OTHER if limit else "",
            goal=GOALS[name],
            smaller_is_better=True,
            note=str(left) + (f"; limit: {limit}" if limit else ""),
        )


def _measured(folder: Path, build: Build, requests: int) -> dict[str, Left]:
    folder.mkdir()
    users = f"insert into auth.users (id) select ('{ID_HEAD}' || n)::uuid"
    prepare = (f"{users} from generate_series({FIRST}, {FIRST + requests // 10}) n",)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(running(folder, MigratedPostgres(build, folder, prepare)))
        deployment = stack.enter_context(deployed(build, servers, transport="Postgres"))
        return uvloop.run(_left(deployment, servers, requests))


async def _left(deployment: Deployment, servers: Servers, requests: int) -> dict[str, Left]:
    """Return what is left on disk after as many requests again as there were to begin with."""
    accounts = range(requests // 10)
    left = {}
    for name, next_request in (
        ("a purchase without its event's body", webhooks(accounts)),
        ("a spend", spends(accounts)),
    ):
        sizes = []
        for _ in range(2):
            for begin in range(0, requests, SLICE):
                count = min(SLICE, requests - begin)
                await deployment.spend_on((next_request() for _ in range(count)), count)
            sizes.append(await _sizes(servers.postgres_url))
        before, after = sizes
        left[name] = Left(by_table={table: (after[table] - before[table]) / requests for table in after})
    return left | {"an account in Redis": await _in_redis(servers.redis_url)}


async def _sizes(url: str) -> dict[str, int]:
    """Bytes of each table with its indexes; the stored bodies of events count for nothing."""
    connection = await asyncpg.connect(url)
    try:
        # Packed, so that neither half-filled pages nor rows that wait for a vacuum make one run differ from the next.
        await connection.execute("vacuum full")
        await connection.execute("checkpoint")
        sizes = {row["name"]: row["bytes"] for row in await connection.fetch(SIZES)}
        bodies = await connection.fetchval("select coalesce(sum(pg_column_size(body)), 0) from public.webhook_events")
        return sizes | {"webhook_events": sizes["webhook_events"] - bodies}
    finally:
        await connection.close()


async def _in_redis(url: str) -> Left:
    client = redis.asyncio.from_url(url)
    try:
        lines = client.scan_iter(match=LINES, count=500)
        sizes = [await client.memory_usage(key) async for key in lines]
        return Left(by_table={"lines": sum(sizes) / len(sizes)})
    finally:
        await client.aclose()
