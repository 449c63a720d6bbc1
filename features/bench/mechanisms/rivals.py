"""Two processes that spend from one account at the same time, in several ways."""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import uvloop

from domain.values.accounts import UserId
from entrypoints.http.gc_tuning import freeze_startup_objects
from features.bench.callers import Call
from features.bench.mechanisms.comparing import in_turns
from features.bench.mechanisms.cpu import Slice, metered
from features.bench.mechanisms.spending_ways import Spending, spender
from features.bench.servers import Servers

FEW = 4
"""Callers of the second process: the first, with all others, comes too late each time unless they take locks."""


async def in_turns_by_two(
    ways: Mapping[str, Spending],
    servers: Servers,
    transport: str,
    callers: int,
    user: UserId,
    *,
    seconds: float,
    rounds: int,
) -> dict[str, list[Slice]]:
    """Return the slices of each way; one process has a few of the callers, the other all the rest."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=freeze_startup_objects) as processes:
        loop, count = asyncio.get_running_loop(), 0

        async def work(how: Spending) -> None:
            nonlocal count
            tasks = [partial(_spend, how, servers, transport, n, user, seconds) for n in (callers - FEW, FEW)]
            count += sum(await asyncio.gather(*(loop.run_in_executor(processes, task) for task in tasks)))

        async def measure(how: Spending) -> Slice:
            return await metered(work(how), servers, lambda: count, counts_own=False)

        return await in_turns({name: partial(measure, how) for name, how in ways.items()}, rounds=rounds)


_kept: dict[object, Any] = {}
"""Of each of the processes: its event loop, and what it spends with, whose connections stay open between slices."""


def _spend(how: Spending, servers: Servers, transport: str, callers: int, user: UserId, seconds: float) -> int:
    runner = _kept.setdefault("runner", asyncio.Runner(loop_factory=uvloop.new_event_loop))
    spent: int = runner.run(_keep_spending(how, servers, transport, callers, user, seconds))
    return spent


async def _keep_spending(
    how: Spending, servers: Servers, transport: str, callers: int, user: UserId, seconds: float
) -> int:
    stack = _kept.setdefault("stack", contextlib.AsyncExitStack())
    if how not in _kept:
        _kept[how] = await stack.enter_async_context(spender(servers, transport, how, lambda: user))
    spend: Call = _kept[how]
    spent, ends = 0, time.perf_counter() + seconds

    async def keep_spending() -> None:
        nonlocal spent
        while time.perf_counter() < ends:
            await spend()
            spent += 1

    await asyncio.gather(*(keep_spending() for _ in range(callers)))
    return spent
