"""Measures how many deliveries a second a whole stack on this machine takes."""

import asyncio
import tempfile
from pathlib import Path

import attrs

from simulators.fire.killable_stack import KillableStack, killable
from simulators.fire.load_patterns import load_schedule
from simulators.fire.report import percentiles
from simulators.fire.runs import FireSetup, new_tag, run_fire
from simulators.fire.sender import Pace, Tally
from simulators.fire.target import Target
from simulators.stories.catalogue import STORIES

UNBOUNDED = 1_000_000.0
"""Deliveries a second that no machine takes: the service is what limits it."""
SETTLING_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Measured:
    """The measurements of a run; the latencies are in milliseconds."""

    deliveries: int
    seconds: float
    per_second: float
    latency: dict[str, float] | None
    is_good: bool
    """Whether the accounts were right as well: a wrong answer's speed is worth nothing."""


def measure(*, customers: int = 100, concurrency: int = 32, seed: int = 7) -> Measured:
    """Fire so many customers' stories at a fresh stack, as fast as it takes them.

    :raises StackFailed: if the stack does not start.
    """
    with tempfile.TemporaryDirectory(prefix="credence-fire-") as data, killable(Path(data)) as stack:
        return asyncio.run(_measured(stack, customers, concurrency, seed))


async def _measured(stack: KillableStack, customers: int, concurrency: int, seed: int) -> Measured:
    async with Target(stack.url, operator_key=stack.operator_key, concurrency=concurrency) as target:
        setup = FireSetup(
            target=target,
            secret=stack.secret,
            pace=Pace(UNBOUNDED),
            concurrency=concurrency,
            seed=seed,
            patience=SETTLING_SECONDS,
        )
        tally = Tally()
        schedule = load_schedule(tuple(STORIES.values()), await target.plans(), count=customers, seed=seed)
        fire_run = await run_fire(setup, schedule, tag=new_tag(), tally=tally)
    return Measured(
        deliveries=tally.requests,
        seconds=tally.seconds,
        per_second=tally.requests / tally.seconds,
        latency=percentiles(tally.latencies),
        is_good=fire_run.is_good,
    )
