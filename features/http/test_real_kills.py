"""The stories on the real stack, over either transport, while its parts are killed in mid-load and come back."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from features.harness.real_stack import killable_supabase
from simulators.fire.killable_stack import KILLABLE, KillableStack, killable
from simulators.fire.load_patterns import load_schedule, playable
from simulators.fire.runs import FireRun, FireSetup, new_tag, run_fire
from simulators.fire.sender import NO_ANSWER, Pace, Tally
from simulators.fire.target import Target
from simulators.schedules.steps import Break, Crash, Deliver, Flush, Mend, Schedule, Step
from simulators.stories.catalogue import STORIES

CUSTOMERS = len(STORIES)
RATE = 100.0
PATIENCE = 60.0

Stack = Callable[[Path], contextlib.AbstractContextManager[KillableStack]]


@pytest.fixture(scope="module", params=[killable, killable_supabase], ids=["postgres", "supabase"])
def stack(request: pytest.FixtureRequest, new_server_folder: Callable[[], Path]) -> Iterator[KillableStack]:
    """A stack of its own, over a direct connection or through PostgREST."""
    with request.param(new_server_folder()) as running:
        yield running


async def played(stack: KillableStack, change: Callable[[Schedule], Schedule], *, seed: int) -> FireRun:
    """Every story at once, as a schedule of it is changed; the users are removed afterwards."""

    async def fault(step: Step) -> None:
        await asyncio.to_thread(stack.parts.fault, step)

    async with Target(stack.url, operator_key=stack.operator_key) as target:
        setup = FireSetup(
            target=target,
            secret=stack.secret,
            pace=Pace(RATE),
            concurrency=16,
            seed=seed,
            patience=PATIENCE,
            fault=fault,
        )
        plans = await target.plans()
        stories = playable(tuple(STORIES.values()), plans)
        schedule = load_schedule(stories, plans, count=CUSTOMERS, seed=seed)
        return await run_fire(setup, change(schedule), tag=new_tag(), tally=Tally())


def assert_nothing_is_wrong(fire_run: FireRun, stack: KillableStack) -> None:
    """Every account is what its customer's acts are worth, at the end and whenever it was looked at."""
    assert [] == fire_run.seen_wrong
    assert fire_run.verdict is not None
    assert () == fire_run.verdict.complaints
    assert [] == [finding for finding in fire_run.verdict.findings if finding.complaints]
    assert (CUSTOMERS, ()) == (len(fire_run.verdict.findings), fire_run.left_behind)
    answered = {status for is_good, status in fire_run.tally.statuses if is_good}
    assert answered <= {200, 503, NO_ANSWER}, fire_run.tally.statuses
    assert [] == unexpected_errors(stack)


def unexpected_errors(stack: KillableStack) -> list[str]:
    """What the service's log calls unexpected: an outage is not."""
    lines = map(json.loads, stack.log.read_text().splitlines())
    return [line["message"] for line in lines if line["message"] == "Unexpected error"]


def with_steps(schedule: Schedule, *inserted: tuple[float, Step]) -> Schedule:
    """The schedule, with steps inserted, each after a part of the others."""
    steps = list(schedule.steps)
    for part, step in sorted(inserted, key=lambda one: -one[0]):
        steps.insert(int(part * len(schedule.steps)), step)
    return attrs.evolve(schedule, steps=tuple(steps))


async def test_each_part_is_killed_once(stack: KillableStack) -> None:
    """The service, then Redis, then the database, in mid-load: Stripe repeats, and every balance comes out right."""
    fire_run = await played(
        stack,
        lambda schedule: with_steps(
            schedule,
            (0.2, Crash(on="a")),
            (0.4, Break(port="cache")),
            (0.5, Mend(port="cache")),
            (0.6, Break(port="ledger")),
            (0.7, Mend(port="ledger")),
        ),
        seed=1,
    )
    assert_nothing_is_wrong(fire_run, stack)
    assert fire_run.tally.statuses[True, NO_ANSWER] > 0, "no delivery met the service's death"
    assert fire_run.tally.statuses[True, 503] > 0, "no delivery met the database's death"
    assert fire_run.looks > 0


async def test_parts_die_again_and_again(stack: KillableStack) -> None:
    """Three deaths of the service, one of them without Redis; Redis loses everything twice; the database dies twice."""
    fire_run = await played(
        stack,
        lambda schedule: with_steps(
            schedule,
            (0.1, Crash(on="a")),
            (0.2, Break(port="ledger")),
            (0.25, Mend(port="ledger")),
            (0.3, Flush()),
            (0.4, Break(port="cache")),
            (0.45, Crash(on="a")),
            (0.6, Break(port="ledger")),
            (0.65, Mend(port="ledger")),
            (0.8, Flush()),
            (0.9, Crash(on="a")),
        ),
        seed=2,
    )
    assert_nothing_is_wrong(fire_run, stack)


async def test_what_dies_last_is_mended(stack: KillableStack) -> None:
    """Database and Redis are both dead when the last delivery is made; once they are back, all is made good."""

    def change(schedule: Schedule) -> Schedule:
        dead = (Break(port="ledger"), Break(port="cache"))
        *others, last = schedule.steps
        return attrs.evolve(schedule, steps=(*others, *dead, last))

    fire_run = await played(stack, change, seed=3)
    assert_nothing_is_wrong(fire_run, stack)


def test_the_kills_that_a_person_names_are_in_the_schedule() -> None:
    """Each is in it once, in the order in which it is named, and what dies by itself is mended by itself."""
    plans = ()
    with pytest.raises(LookupError, match="needs a plan"):
        load_schedule(tuple(STORIES.values()), plans, count=1, seed=1)
    from simulators.stories.customers import Plan

    pack = Plan(id="pack", credits=50, price=500, currency="usd")
    schedule = load_schedule((STORIES["purchase"],), (pack,), count=30, seed=1, kills=KILLABLE)
    kinds = [step for step in schedule.steps if not isinstance(step, Deliver)]
    assert kinds == [
        Crash(on="a"),
        Break(port="cache"),
        Mend(port="cache"),
        Break(port="ledger"),
        Mend(port="ledger"),
    ]
