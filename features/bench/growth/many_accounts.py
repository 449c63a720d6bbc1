"""Measures the effect of many accounts: commits, spends and reads must not slow down, the check is linear."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import attrs
import uvloop

from adapters.postgres.audit import SqlAudit
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.redis.client import connect
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import RedisQuotaCache
from domain.values.accounts import UserId
from features.bench.accounts import ENTRIES, add_accounts, user_id
from features.bench.commits import by_group_commit
from features.bench.end_to_end import quota_rate, service
from features.bench.figures import Figure, Measured
from features.bench.servers import Servers, execute
from features.bench.spends import spending

KEEPS = 1 / 1.3
"""What is left of a rate when it may be 1.3 times slower."""
CALLERS = 64
WARMED = 500
"""Accounts that are warmed in one round trip."""


@attrs.frozen(kw_only=True)
class Size:
    """The measurements at one number of accounts."""

    commits: Measured
    reads: Measured
    check_seconds_per_million: float
    warmed_per_second: float
    megabytes: float


def measure(servers: Servers, *, sizes: tuple[int, int, int], seconds: float) -> list[Figure]:
    """The figures at the first size and the last; the check also between, where it is long enough to be timed.

    Spends are compared from there on, too: they are of accounts that are new, as all before have had purchases since.
    """
    small, medium, large = sizes
    first = _at(servers, small, seconds)
    per_million_before = _grown(servers, small, medium)
    checked = _checked(servers)
    spends_before = _spends(servers, range(small, medium), seconds)
    per_million = _grown(servers, medium, large)
    spends = _spends(servers, range(medium, large), seconds)
    last = _at(servers, large, seconds)
    return [
        _kept(f"commits at {large:,} accounts", "commits/s", small, last.commits, first.commits),
        _kept(f"spends at {large:,} accounts", "spends/s", medium, spends, spends_before),
        _kept(f"quota reads at {large:,} accounts", "reads/s", small, last.reads, first.reads),
        Figure(
            name=f"consistency check at {large:,} accounts",
            figure=last.check_seconds_per_million,
            unit="s per million entries",
            limit=checked,
            limit_name=f"the same at {medium:,} accounts",
            goal=1.3,
            smaller_is_better=True,
        ),
        Figure(
            name=f"making {large * ENTRIES:,} entries",
            figure=per_million,
            unit="s per million entries",
            limit=per_million_before,
            limit_name=f"the same up to {medium:,} accounts",
        ),
        Figure(
            name=f"warming the cache at {large:,} accounts",
            figure=last.warmed_per_second,
            unit="accounts/s",
            limit=first.warmed_per_second,
            limit_name=f"the same at {small:,} accounts",
        ),
        Figure(
            name=f"memory of the service at {large:,} accounts",
            figure=last.megabytes,
            unit="MB",
            limit=first.megabytes,
            limit_name=f"the same at {small:,} accounts",
        ),
    ]


def _kept(name: str, unit: str, accounts: int, now: Measured, before: Measured) -> Figure:
    return Figure(
        name=name,
        figure=now.rate,
        unit=unit,
        limit=before.rate,
        limit_name=f"the same at {accounts:,} accounts",
        goal=round(KEEPS, 2),
        latency=now.latency,
    )


def _spends(servers: Servers, accounts: range, seconds: float) -> Measured:
    return uvloop.run(
        spending(
            lambda: PostgresRpc(servers.postgres_url),
            servers.redis_url,
            lambda: UserId(user_id(random.choice(accounts))),
            callers=CALLERS,
            seconds=seconds,
        )
    )


def _at(servers: Servers, accounts: int, seconds: float) -> Size:
    commits = uvloop.run(
        by_group_commit(lambda: PostgresRpc(servers.postgres_url), accounts=accounts, callers=CALLERS, seconds=seconds)
    )
    warmed = uvloop.run(_warm(servers, accounts))
    uvloop.run(execute(servers.postgres_url, "checkpoint"))  # nothing is written behind the reads' back
    with service(servers, "Postgres", servers.folder / "growth.log") as running:
        reads = quota_rate(running.url, accounts, seconds)
        memory = running.megabytes
    return Size(
        commits=commits,
        reads=reads,
        check_seconds_per_million=_checked(servers),
        warmed_per_second=warmed,
        megabytes=memory,
    )


async def _warm(servers: Servers, accounts: int) -> float:
    """Every account's line written into Redis, by pages of the ledger; the accounts per second."""
    rpc, redis = PostgresRpc(servers.postgres_url), connect(servers.redis_url)
    audit = SqlAudit(rpc)
    cache = RedisQuotaCache(redis, LedgerKeys(audit.identity))
    begun, after, warmed = time.perf_counter(), None, 0
    while page := await audit.accounts_after(after, WARMED):
        await cache.store_many(page)
        after, warmed = page[-1].user_id, warmed + len(page)
    spent = time.perf_counter() - begun
    await redis.aclose()
    await rpc.aclose()
    return warmed / spent


def _grown(servers: Servers, before: int, after: int) -> float:
    """Seconds per million entries, made over two connections."""
    middle = (before + after) // 2

    async def grow() -> float:
        begun = time.perf_counter()
        async with asyncpg.create_pool(servers.postgres_url, min_size=2, max_size=2) as pool:

            async def add(first: int, end: int) -> None:
                async with pool.acquire() as connection:
                    await add_accounts(connection, first, end - first)

            await asyncio.gather(add(before, middle), add(middle, after))
        return (time.perf_counter() - begun) / ((after - before) * ENTRIES / 1e6)

    per_million = asyncio.run(grow())
    asyncio.run(execute(servers.postgres_url, "vacuum analyze"))
    return per_million


def _checked(servers: Servers) -> float:
    """Return how long the consistency check takes, in seconds per million entries; it must find nothing."""

    async def check(connection: Any) -> float:
        begun = time.perf_counter()
        found = await connection.fetch("select * from public.validate_credits_consistency() limit 3")
        spent = time.perf_counter() - begun
        if found:
            raise AssertionError(found)
        entries: int = await connection.fetchval("select count(*) from public.credit_transactions")
        return spent / (entries / 1e6)

    return _connected(servers, check)


def _connected(servers: Servers, work: Callable[[Any], Awaitable[float]]) -> float:
    async def run() -> float:
        connection = await asyncpg.connect(servers.postgres_url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
