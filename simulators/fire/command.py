"""Load-tests a running service with customer histories, sent as signed webhooks, and verifies every balance.

Deliveries include duplicates, wrong order, lost responses, and forgeries. Each customer is a synthetic user whom the
target creates for this run and removes afterwards; their ledger entries stay, as everybody's do. The target must be in
test mode, and a live key anywhere in the environment stops the run.

Exit code: 0 every balance is correct, 1 some are not, 2 unknown (the message says what to do), 130 interrupted.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
from rich.console import Console

from simulators.fire.answers import NoAnswer, TargetUnfit
from simulators.fire.killable_stack import KillableStack, killable
from simulators.fire.load_patterns import load_schedule, playable
from simulators.fire.options import MAX_CUSTOMERS, MAX_SECONDS, Options, add_arguments, options_of
from simulators.fire.preflight import check_plans, check_secret, refuse_live_keys, safe_address
from simulators.fire.progress import Watcher
from simulators.fire.report import Report, dumped
from simulators.fire.runs import STACK_FAULTS, FireRun, FireSetup, attempts_of, clean_up, new_tag, run_fire
from simulators.fire.sender import PAUSES, Pace, Tally
from simulators.fire.target import Target
from simulators.schedules.files import UnreadableSchedule, load, save
from simulators.schedules.steps import Deliver, Schedule, Step
from simulators.stack.parts import PartFailed
from simulators.stack.stack import StackFailed
from simulators.stories.catalogue import Story
from simulators.stories.seeds import shown

GOOD, BAD, CANT_RUN, INTERRUPTED = 0, 1, 2, 130

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Fire; the exit code says the verdict."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        refuse_live_keys(_values_at_hand(arguments))
        options = options_of(arguments, os.environ)
        with _aimed(options, progress) as aimed:
            report = asyncio.run(_fire(aimed, progress))
    except (TargetUnfit, NoAnswer, UnreadableSchedule, StackFailed, PartFailed, LookupError, OSError) as problem:
        if arguments.json:
            print(dumped({"verdict": "none", "problem": str(problem)}))
        progress.print(str(problem), style="red", markup=False)
        return CANT_RUN
    except KeyboardInterrupt:
        progress.print("Interrupted: no verdict.", style="yellow")
        return INTERRUPTED
    if report is None:
        return GOOD
    if options.json:
        print(dumped(report.as_json()))
    else:
        report.show(Console(highlight=False, soft_wrap=True))
    return {"good": GOOD, "bad": BAD, "interrupted": INTERRUPTED}[report.verdict]


@attrs.frozen(kw_only=True)
class _Aimed:
    """The target of a run: an address, or a stack of our own."""

    options: Options
    url: str
    secret: str = attrs.field(repr=False)
    operator_key: str = attrs.field(repr=False)
    schedule: Schedule | None
    """The one to replay."""
    stack: KillableStack | None = None


@contextlib.contextmanager
def _aimed(options: Options, progress: Console) -> Iterator[_Aimed]:
    schedule = _replayed(options)
    if options.target is not None:
        url = safe_address(options.target)
        secret, key = options.secret, options.operator_key
        yield _Aimed(options=options, url=url, secret=secret, operator_key=key, schedule=schedule)
        return
    progress.print("Starting Postgres, Redis, the Stripe stand-in and the service …")
    with (
        tempfile.TemporaryDirectory(prefix="credence-fire-") as data,
        killable(Path(data), plans=schedule.plans if schedule is not None else ()) as stack,
    ):
        secret, key = stack.secret, stack.operator_key
        yield _Aimed(options=options, url=stack.url, secret=secret, operator_key=key, schedule=schedule, stack=stack)


def _replayed(options: Options) -> Schedule | None:
    if options.replay is None:
        return None
    schedule = load(options.replay)
    if not 1 <= len(schedule.users) <= MAX_CUSTOMERS:
        raise TargetUnfit(f"{options.replay} has {len(schedule.users)} customers; 1 to {MAX_CUSTOMERS} can be fired.")
    seconds = len(attempts_of(schedule)) / options.rate
    if seconds > MAX_SECONDS:
        raise TargetUnfit(f"{options.replay} would take {seconds:.0f} s at this rate; {MAX_SECONDS} s are the most.")
    return schedule


async def _fire(aimed: _Aimed, progress: Console) -> Report | None:
    options, stopping, tally = aimed.options, asyncio.Event(), Tally()
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as ends:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
            ends.callback(signal.signal, number, _interrupt)
            ends.callback(loop.remove_signal_handler, number)
        watcher = ends.enter_context(Watcher(progress, tally))

        async def fault(step: Step) -> None:
            watcher.say(f"{type(step).__name__.lower()} {getattr(step, 'port', '')}".rstrip())
            await asyncio.to_thread(aimed.stack.parts.fault, step)  # type: ignore[union-attr]  # only where there is one

        async with Target(
            aimed.url,
            operator_key=aimed.operator_key,
            service_key=options.service_key,
            concurrency=options.concurrency,
        ) as target:
            setup = FireSetup(
                target=target,
                secret=aimed.secret,
                pace=Pace(options.rate),
                concurrency=options.concurrency,
                seed=options.seed,
                patience=options.patience,
                pauses=PAUSES[: options.attempts - 1],
                stopping=stopping,
                say=watcher.say,
                watch=watcher.watch,
                fault=fault if aimed.stack is not None else None,
            )
            return await _rounds(aimed, setup, tally)


async def _rounds(aimed: _Aimed, setup: FireSetup, tally: Tally) -> Report | None:
    options, target = aimed.options, setup.target
    plans = await target.plans()
    await target.check_mode()
    if options.clean_up is not None:
        problems = await clean_up(setup, options.clean_up)
        if problems:
            raise TargetUnfit("; ".join(problems))
        return None
    stories = playable(options.stories, plans)
    if len(stories) < len(options.stories) and (options.names_stories or not stories):
        raise TargetUnfit(f"{target.url} sells no plan for: {_names(set(options.stories) - set(stories))}.")
    if len(stories) < len(options.stories):
        setup.say(f"Skipped: no matching plan for {_names(set(options.stories) - set(stories))}.")
    await check_secret(setup.sender(Tally()))
    fire_runs: list[FireRun] = []
    until = time.monotonic() + options.duration
    left_out = 0
    while True:
        if aimed.schedule is not None:
            schedule = aimed.schedule
            check_plans(schedule, plans, url=target.url)
        else:
            seed = options.seed + len(fire_runs)
            schedule = load_schedule(stories, plans, count=options.customers, seed=seed, kills=options.kills)
        if options.save is not None:
            save(schedule, options.save)
        left_out += _left_out(schedule, has_stack=aimed.stack is not None)
        fire_runs.append(await run_fire(setup, schedule, tag=new_tag(), tally=tally))
        if setup.stopping.is_set() or not fire_runs[-1].is_good or time.monotonic() >= until:
            break
    return Report(
        target=target.url,
        seed=schedule.seed if options.replay else shown(options.seed),
        schedule=str(options.replay) if options.replay else None,
        stories=() if options.replay else tuple(story.name for story in stories),
        tally=tally,
        fire_runs=tuple(fire_runs),
        interrupted=setup.stopping.is_set(),
        left_out=left_out,
    )


def _names(stories: Iterable[Story]) -> str:
    return ", ".join(sorted(story.name for story in stories))


def _values_at_hand(arguments: argparse.Namespace) -> dict[str, str | None]:
    given = {f"--{name.replace('_', '-')}": str(value) for name, value in vars(arguments).items()}
    return {**{f"the environment variable {name}": value for name, value in os.environ.items()}, **given}


def _left_out(schedule: Schedule, *, has_stack: bool) -> int:
    done = (Deliver, *STACK_FAULTS) if has_stack else (Deliver,)
    return sum(not isinstance(step, done) for step in schedule.steps)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
