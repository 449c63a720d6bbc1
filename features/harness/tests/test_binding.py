"""The worlds that the explorers drive: the real use cases, forked and compared in memory."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from features.harness.binding import MemoryWorld, system
from simulators.stories.catalogue import STORIES, Lived, live
from simulators.stories.checkers import judge_account, judge_meanwhile, judge_quiet
from simulators.stories.credit_operations import Answered, Use
from simulators.stories.customers import Plan, customers
from simulators.stories.event_readings import reading_of
from simulators.stories.events import Event
from simulators.stories.expectations import Expectation, possible_balances
from simulators.stories.observation import Copy
from simulators.stripe.signatures import sign_webhook
from simulators.system.stepping import Returned, Task
from simulators.system.system import Ask, Deliver, Job, ReadQuota, Work

ROOT = Path(__file__).resolve().parents[3]
SECRET = "whsec_explored"
PLANS = (
    Plan(id="starter", credits=50, price=500, currency="usd"),
    Plan(id="monthly", credits=100, price=900, currency="usd", mode="subscription", interval="month"),
    Plan(id="larger", credits=1000, price=4900, currency="usd", mode="subscription", interval="month"),
    Plan(id="annual", credits=1200, price=9000, currency="usd", mode="subscription", interval="year"),
)
CREDITS = {plan.id: plan.credits for plan in PLANS}
(ADA,) = customers(1)


def lived(name: str) -> Lived:
    return live(STORIES[name], ADA, PLANS, seed=7, now=1_790_000_000)


def world_after(story: Lived) -> MemoryWorld:
    return system.world(PLANS, (ADA,), now=story.events[-1].created, secret=SECRET, prices=story.prices)


def do(world: MemoryWorld, job: Job) -> object:
    task = Task(world.begin(job))
    while task.outcome is None:
        assert task.pause is not None
        task.answer(world.perform(task.pause))
    assert isinstance(task.outcome, Returned), task.outcome
    return task.outcome.value


def deliver(world: MemoryWorld, event: Event, secret: str = SECRET) -> object:
    body = event.body.encode()
    return do(world, Deliver(body, sign_webhook(body, secret, world.now())))


@pytest.mark.parametrize("name", STORIES)
def test_any_order_comes_to_the_same(name: str) -> None:
    """Each event twice, shuffled: every balance on the way is one of what was reported so far."""
    story = lived(name)
    expected = Expectation.of(story.acts)
    for seed in range(5):
        world, known = world_after(story), []
        events = [*story.events, *story.events]
        random.Random(seed).shuffle(events)  # noqa: S311 - seeded, so that it repeats
        for event in events:
            assert 200 == deliver(world, event)
            known.append(reading_of(event.body, CREDITS, story.prices))
            seen = world.seen()
            assert () == judge_meanwhile(seen, expected, possible_balances(known, [], [ADA.user_id]))
            assert () == judge_account(seen.accounts[0])
        for job in ("outbox", "cache"):
            do(world, Work(job))
        assert () == judge_quiet(world.seen(), expected, [event.id for event in events])


def test_what_nobody_signed_is_refused() -> None:
    """By the real check of signatures, before anything is awaited."""
    story = lived("purchase")
    world = world_after(story)
    before = world.state()
    assert 400 == deliver(world, story.events[-1], secret="whsec_guessed")
    assert before == world.state()


def test_a_fork_goes_its_own_way() -> None:
    """What happens in one is not to be seen in the other, which then does the same by itself."""
    story = lived("refund in parts")
    world = world_after(story)
    fork = world.fork()
    before = world.state()
    assert before == fork.state()
    for event in story.events:
        deliver(fork, event)
    fork.let_pass(3600)
    do(fork, Work("outbox"))
    assert before == world.state()
    assert () == world.seen().accounts[0].entries
    for event in story.events:
        deliver(world, event)
    world.let_pass(3600)
    do(world, Work("outbox"))
    assert fork.state() == world.state()
    assert fork.digest() == world.digest()


def test_states_differ_where_a_later_answer_would() -> None:
    """A balance, a copy, a marker, a message, the time."""
    story = lived("purchase")
    states = [world_after(story)]
    for change in (
        lambda world: deliver(world, story.events[-1]),
        lambda world: world.flush_cache(),
        lambda world: do(world, Work("cache")),
        lambda world: world.let_pass(1),
        lambda world: world.sign_up(customers(2)[1]),
    ):
        fork = states[-1].fork()
        change(fork)
        states.append(fork)
    assert len(states) == len({world.state() for world in states})


def test_the_cache_goes_back_by_writes() -> None:
    """As a replica that was behind; a reader is then behind too."""
    story = lived("full refund")
    world = world_after(story)
    for event in story.events:
        deliver(world, event)
    assert Copy(balance=0, version=2) == do(world, ReadQuota(ADA.user_id))
    copies = []
    for _ in range(8):
        world.rewind_cache(1)
        copies.append(world.seen().accounts[0].copy)
    assert Copy(balance=50, version=1) in copies
    assert copies[-1] is None


def test_each_port_reports_in_its_own_way_that_it_is_away() -> None:
    """The ledger's tables are away together, and so is all of Redis."""
    world = world_after(lived("purchase"))
    task = Task(world.begin(Work("inbox")))
    assert task.pause is not None
    assert "LedgerUnavailable" == type(world.fault(task.pause)).__name__
    task = Task(world.begin(ReadQuota(ADA.user_id)))
    assert task.pause is not None
    assert "CacheUnavailable" == type(world.fault(task.pause)).__name__


def test_digests_do_not_depend_on_the_hash_seed() -> None:
    """The same schedule has the same digest in every run."""
    script = (
        "from features.harness.tests.test_binding import *\n"
        "story = lived('two purchases'); world = world_after(story)\n"
        "[deliver(world, event) for event in story.events]\n"
        "print(world.digest())"
    )
    fields = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert 1 == len(fields)


def test_what_is_over_expires_by_the_worker() -> None:
    """A hold that nobody settled frees its credits a day later, and a worker that comes again finds nothing due."""
    story = lived("purchase")
    world = world_after(story)
    for event in story.events:
        deliver(world, event)
    hold = Use(act="hold", customer=ADA.user_id, key="h", credits=40, hold="5b0c7b8e-4c55-4d0f-9a3e-3c1f0e6c9d11")
    asked = do(world, Ask(hold))
    assert isinstance(asked, Answered)
    assert "done" == asked.verdict
    assert 40 == world.seen().accounts[0].held
    assert 0 == do(world, Work("expire"))
    world.let_pass(24 * 3600)
    assert [1, 0] == [do(world, Work("expire")), do(world, Work("expire"))]
    assert (50, 0) == (world.seen().accounts[0].balance, world.seen().accounts[0].held)
    do(world, Work("cache"))
    assert Copy(balance=50, version=1) == world.seen().accounts[0].copy
