"""Measures the gain of each mechanism that is there for speed alone: the same load without it, in turns, in one run."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import attrs
import uvloop

from adapters.batching.group_commit import GroupCommit
from adapters.postgres.ledger import SqlLedger
from domain.changes.changes import CommitResult, Committed, Duplicate
from domain.values.accounts import UserId
from features.bench.accounts import user_id
from features.bench.callers import Call
from features.bench.changes import next_purchase
from features.bench.commits import transports
from features.bench.figures import Figure
from features.bench.mechanisms import rivals, served_without
from features.bench.mechanisms.comparing import COMPLETE, comparisons, in_turns
from features.bench.mechanisms.cpu import Slice, metered
from features.bench.mechanisms.spending_ways import Spending, spender
from features.bench.servers import Servers

SECONDS = {16: 0.8, 256: 2.0}
"""Of one slice, by callers: a crowd on a busy machine takes a second for one round."""
HOT = 100
"""The first of the accounts that are spent from alone."""

OF_MANY_ACCOUNTS = {
    COMPLETE: Spending(),
    "batching": Spending(is_batched=False),
}
OF_RIVALS = {
    COMPLETE: Spending(),
    "account locks": Spending(has_locks=False),
}


def measure(servers: Servers, *, accounts: int, pace: float, rounds: int) -> Iterator[Figure]:
    """Give the figures of what credits and commits gain, as they are found; `pace` makes slices longer or shorter."""
    for place, (callers, transport) in enumerate(itertools.product(SECONDS, transports(servers))):
        seconds = pace * SECONDS[callers]
        load = _Load(servers=servers, transport=transport, callers=callers, seconds=seconds, rounds=rounds)
        hot = UserId(user_id(HOT + place))

        def any_of_many() -> UserId:
            return UserId(user_id(random.randrange(accounts)))

        yield from comparisons(
            f"spends of many accounts {load}", uvloop.run(load.spends(OF_MANY_ACCOUNTS, any_of_many))
        )
        yield from comparisons(f"purchases {load}", uvloop.run(load.commits(accounts)))
        by_two = rivals.in_turns_by_two(OF_RIVALS, servers, transport, callers, hot, seconds=2 * seconds, rounds=rounds)
        yield from comparisons(f"spends of one account by two processes {load}", uvloop.run(by_two))


def measure_served(servers: Servers, *, accounts: int, pace: float, rounds: int) -> Iterator[Figure]:
    """Give the figures of what the service as a whole gains by the parts that HTTP and Redis are served with."""
    for transport in transports(servers):
        yield from served_without.measure(servers, transport, SECONDS, accounts=accounts, pace=pace, rounds=rounds)


@attrs.frozen(kw_only=True)
class _Load:
    servers: Servers
    transport: str
    callers: int
    seconds: float
    rounds: int

    def __str__(self) -> str:
        return f"over {self.transport}, {self.callers} callers"

    async def commits(self, accounts: int) -> dict[str, list[Slice]]:
        async with contextlib.AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(contextlib.aclosing(transports(self.servers)[self.transport]()))
            ledger = SqlLedger(rpc)
            grouped = await stack.enter_async_context(contextlib.aclosing(GroupCommit(ledger)))
            ways: dict[str, GroupCommit | SqlLedger] = {COMPLETE: grouped, "group commit": ledger}
            variants = {name: partial(self._slice, _until_committed(way, accounts)) for name, way in ways.items()}
            return await in_turns(variants, rounds=self.rounds)

    async def spends(self, ways: Mapping[str, Spending], next_user: Callable[[], UserId]) -> dict[str, list[Slice]]:
        async with contextlib.AsyncExitStack() as stack:
            variants = {}
            for name, how in ways.items():
                spend = await stack.enter_async_context(spender(self.servers, self.transport, how, next_user))
                variants[name] = partial(self._slice, spend)
            return await in_turns(variants, rounds=self.rounds)

    async def _slice(self, call: Call) -> Slice:
        count, ends = 0, time.perf_counter() + self.seconds

        async def keep_calling() -> None:
            nonlocal count
            while time.perf_counter() < ends:
                await call()
                count += 1

        async def all_of_them() -> None:
            await asyncio.gather(*(keep_calling() for _ in range(self.callers)))

        return await metered(all_of_them(), self.servers, lambda: count, counts_own=True)


def _until_committed(ledger: GroupCommit | SqlLedger, accounts: int) -> Call:
    """Return a commit of a new purchase, sent again while others have the account's lock."""

    async def commit() -> None:
        change = next_purchase(accounts)
        result: CommitResult | None = None
        while not isinstance(result, Committed | Duplicate):
            (result,) = await ledger.commit([change])

    return commit
