"""Ways to spend: as the service does it, or without a part of that."""

import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Callable

import attrs

from adapters.batching.batched_credits import BatchedCreditService
from adapters.postgres.audit import SqlAudit
from adapters.postgres.ledger import SqlLedger
from adapters.redis.account_locks import RedisAccountLocks
from adapters.redis.client import connect
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import RedisQuotaCache
from domain.decisions.batches import Done, Outcome
from domain.decisions.operations import Spend
from domain.ports.ledger import LedgerUnavailable
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from features.bench.callers import Call
from features.bench.commits import transports
from features.bench.servers import Servers

TRIES = 200


@attrs.frozen(kw_only=True)
class Spending:
    """A way to do spends: with or without batches and turns."""

    is_batched: bool = True
    has_locks: bool = True


@contextlib.asynccontextmanager
async def spender(
    servers: Servers, transport: str, how: Spending, next_user: Callable[[], UserId]
) -> AsyncIterator[Call]:
    """Give a spend of one credit, done in this way; what is contended is asked for again until it is done."""
    async with (
        contextlib.aclosing(transports(servers)[transport]()) as rpc,
        contextlib.aclosing(connect(servers.redis_url)) as redis,
    ):
        ledger, keys = SqlLedger(rpc), LedgerKeys(SqlAudit(rpc).identity)
        service = CreditService(
            ledger=ledger,
            wallets=ledger,
            cache=RedisQuotaCache(redis, keys),
            locks=RedisAccountLocks(redis, keys) if how.has_locks else None,
        )
        async with contextlib.aclosing(BatchedCreditService(service)) as batched:
            run, numbers = uuid.uuid4().hex, itertools.count()

            async def spend() -> None:
                operation = Spend(user_id=next_user(), credits=1, key=f"{run} {next(numbers)}")
                outcome: Outcome | None = None
                for _ in range(TRIES):
                    with contextlib.suppress(LedgerUnavailable):
                        if how.is_batched:
                            outcome = await batched.execute(operation)
                        else:
                            (outcome,) = await service.execute([operation])
                    if isinstance(outcome, Done):
                        return
                raise AssertionError(outcome)

            yield spend
