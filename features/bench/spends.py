"""One hot account: spends of many callers by group commit, against the usual guarded update of one row."""

import contextlib
import itertools
import multiprocessing
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import uvloop

from adapters.batching.batched_credits import BatchedCreditService
from adapters.postgres.audit import SqlAudit
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from adapters.redis.account_locks import RedisAccountLocks
from adapters.redis.client import connect
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import RedisQuotaCache
from domain.decisions.batches import Done
from domain.decisions.operations import Spend
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from entrypoints.http.gc_tuning import freeze_startup_objects
from features.bench import pgbench
from features.bench.accounts import user_id
from features.bench.callers import keep_asking
from features.bench.changes import pgbench_hot_row
from features.bench.commits import transports
from features.bench.figures import Figure, Measured
from features.bench.servers import Servers

FEW, CALLERS = 16, 256
PROCESSES = 2
GOALS = {(FEW, "Supabase"): 0.9, (FEW, "Postgres"): 1.0, (CALLERS, "Supabase"): 2.5, (CALLERS, "Postgres"): 2.5}
PROCESSES_GOAL = 0.5


def measure(servers: Servers, *, seconds: float) -> list[Figure]:
    """The figures of spends."""
    limit = pgbench.run(servers.postgres_url, pgbench_hot_row(), seconds=seconds)
    figures = []
    for place, (name, make) in enumerate(transports(servers).items()):
        user = UserId(user_id(place))
        for callers in (FEW, CALLERS):
            measured = uvloop.run(
                spending(make, servers.redis_url, lambda user=user: user, callers=callers, seconds=seconds)
            )
            figures.append(
                Figure(
                    name=f"spends of one account over {name}, {callers} callers",
                    figure=measured.rate,
                    unit="spends/s",
                    limit=limit.rate,
                    limit_name="update … where balance >= n of one row, pgbench, 16 connections",
                    goal=GOALS[callers, name],
                    latency=measured.latency,
                )
            )
        rivals = _by_processes(name, servers, place, seconds)
        figures.append(
            Figure(
                name=f"the same by {PROCESSES} processes, {CALLERS // PROCESSES} callers each, over {name}",
                figure=sum(one.rate for one in rivals),
                unit="spends/s",
                limit=measured.rate,
                limit_name=f"by one process, {CALLERS} callers",
                goal=PROCESSES_GOAL,
                latency=max((one.latency for one in rivals), key=lambda latency: latency.p99),
            )
        )
    return figures


def _by_processes(name: str, servers: Servers, place: int, seconds: float) -> list[Measured]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as processes:
        asked = [processes.submit(_in_process, name, servers, place, seconds) for _ in range(PROCESSES)]
        return [one.result() for one in asked]


def _in_process(name: str, servers: Servers, place: int, seconds: float) -> Measured:
    """As a service's process does it, beside others."""
    freeze_startup_objects()
    user, callers = UserId(user_id(place)), CALLERS // PROCESSES
    make = transports(servers)[name]
    return uvloop.run(spending(make, servers.redis_url, lambda: user, callers=callers, seconds=seconds))


async def spending(
    make: Callable[[], PostgresRpc | SupabaseRpc],
    redis_url: str,
    next_user: Callable[[], UserId],
    *,
    callers: int,
    seconds: float,
) -> Measured:
    """The rate of spends of one credit that so many callers of one process make, each of the next user."""
    numbers, run = itertools.count(), uuid.uuid4().hex
    async with contextlib.aclosing(make()) as rpc, contextlib.aclosing(connect(redis_url)) as redis:
        ledger, keys = SqlLedger(rpc), LedgerKeys(SqlAudit(rpc).identity)
        service = CreditService(
            ledger=ledger,
            wallets=ledger,
            cache=RedisQuotaCache(redis, keys),
            locks=RedisAccountLocks(redis, keys),
        )
        async with contextlib.aclosing(BatchedCreditService(service)) as batched:

            async def spend() -> None:
                outcome = await batched.execute(Spend(user_id=next_user(), credits=1, key=f"{run} {next(numbers)}"))
                if not isinstance(outcome, Done):
                    raise AssertionError(outcome)

            return await keep_asking(spend, callers=callers, seconds=seconds)
