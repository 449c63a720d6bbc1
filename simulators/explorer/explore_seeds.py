"""The random side of `explore`: so many seeded worlds, a verdict in one line, and what to do about a failure."""

import argparse
import contextlib
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulators.explorer import coverage
from simulators.explorer import coverage_catalogue as catalogue
from simulators.explorer.random_lives import VERSIONS
from simulators.explorer.random_worlds import explore
from simulators.explorer.seed_runs import Lived, Totals, live_all, system_named
from simulators.schedules import timeline_text
from simulators.schedules.files import save
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.shrinking import shrink
from simulators.schedules.traces import as_text
from simulators.stories.seeds import seed_of, shown
from simulators.system.system import NoSuchSystem

SHORT, LONG = "short", "long"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of random worlds."""
    random = parser.add_argument_group("random worlds")
    random.add_argument("--seeds", type=_count, metavar="N", help="run this many random worlds")
    random.add_argument(
        "--seed", type=_seed, metavar="X", help="start with this seed: decimal, 0x…, or a commit's hash (default: 0)"
    )
    random.add_argument("--minutes", type=float, metavar="M", help="run for this long, instead of a number of seeds")
    random.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    random.add_argument(
        "--trace", type=Path, metavar="FILE", help="write everything that happens in the first world, line by line"
    )
    random.add_argument("--table", action="store_true", help="print the full coverage table")
    random.add_argument(
        "--require",
        choices=(SHORT, LONG),
        help="fail if a required rare case did not occur, by the short or the long list",
    )


def run(parsed: argparse.Namespace) -> int:
    """Live through the worlds that are asked for; returns the exit code."""
    try:
        under_test = system_named(parsed.system, None)
        if parsed.bug == "list":
            for name, wrong in sorted(under_test.bugs.items()):
                print(f"{name:<32} {wrong}")
            return 0
        if parsed.bug is not None and parsed.bug not in under_test.bugs:
            raise NoSuchSystem(f"There is no planted bug {parsed.bug!r}; `--bug list` lists them.")
    except NoSuchSystem as problem:
        print(problem, file=sys.stderr)
        return 2
    if parsed.trace is not None and not _traced(parsed):
        return 2
    started, totals = time.monotonic(), Totals()
    failed = None
    with contextlib.suppress(KeyboardInterrupt), _watched(parsed) as watch:
        for lived in live_all(_seeds(parsed), parsed.system, parsed.bug, jobs=parsed.jobs, goes_on=_until(parsed)):
            totals.add(lived)
            watch(totals)
            failed = lived if lived.complaints else None
    seconds = time.monotonic() - started
    missing = coverage.gaps(totals.coverage, VERSIONS, is_long=parsed.require == LONG) if parsed.require else None
    if parsed.json:
        print(json.dumps(_as_json(totals, failed, missing, seconds)))
    else:
        _print(parsed, totals, failed, missing, seconds)
    if failed is not None:
        _show(parsed, failed)
    return 1 if failed is not None or missing else 0


def _traced(parsed: argparse.Namespace) -> bool:
    moments = explore(parsed.seed or 0, system_named(parsed.system, parsed.bug), bug=parsed.bug).moments
    try:
        parsed.trace.write_text(as_text(moments), encoding="utf-8")
    except OSError as error:
        print(f"The trace is not written: {parsed.trace} ({error.strerror})", file=sys.stderr)
        return False
    return True


def _seeds(parsed: argparse.Namespace) -> Iterator[int]:
    first = parsed.seed or 0
    if parsed.minutes is not None:
        return itertools.count(first)
    return iter(range(first, first + (parsed.seeds or 1)))


def _until(parsed: argparse.Namespace) -> Callable[[], bool]:
    ends = None if parsed.minutes is None else time.monotonic() + 60 * parsed.minutes
    return lambda: ends is None or time.monotonic() < ends


class _watched:  # noqa: N801 - a function in all but its kind
    """Progress while worlds are lived through, where somebody looks."""

    def __init__(self, parsed: argparse.Namespace) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        total = None if parsed.minutes is not None else parsed.seeds or 1
        self._task = self._progress.add_task("Random worlds", total=total, said="")

    def __enter__(self) -> Callable[[Totals], None]:
        self._progress.start()
        return lambda totals: self._progress.update(
            self._task, completed=totals.seeds, said=f"{totals.seeds:,} seeds, {totals.deliveries:,} deliveries"
        )

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _print(
    parsed: argparse.Namespace, totals: Totals, failed: Lived | None, missing: coverage.Gaps | None, seconds: float
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if parsed.table:
        # In a file there is room for the names of types and orders.
        table(console if console.is_terminal else Console(width=180, highlight=False), totals.coverage)
    if missing:
        console.print(str(missing), style="red", markup=False)
    figures = (
        f"{totals.seeds:,} random worlds: {totals.events:,} events in {totals.deliveries:,} deliveries, "
        f"{totals.faults:,} faults, {totals.reads:,} reads, {totals.uses:,} spends and holds; "
        f"{len(totals.coverage.cells.keys() & set(catalogue.ALL)):,} of {len(catalogue.ALL):,} cells visited; "
        f"{seconds:.0f} s"
    )
    if failed is not None:
        console.print(f"Seed {shown(failed.seed)} fails. {figures}", style="bold red", markup=False)
    else:
        console.print(f"Every check held. {figures}", style="bold red" if missing else "bold green", markup=False)


def _show(parsed: argparse.Namespace, failed: Lived) -> None:
    """Shrink a failure, save it, and say how to see it again."""
    console = Console(highlight=False, soft_wrap=True, stderr=parsed.json)
    under_test = system_named(parsed.system, parsed.bug)
    whole = explore(failed.seed, under_test, bug=parsed.bug).schedule
    with console.status("Shrinking…") as status:
        small = shrink(
            whole,
            under_test,
            watch=lambda plays, one: status.update(
                f"Shrinking… {len(one.events)} events, {len(one.steps)} steps after {plays:,} tries"
            ),
        )
    runner = ScheduleRunner(small, under_test)
    runner.play()
    small = attrs.evolve(small, complaints=tuple(map(str, runner.complaints)))
    path = parsed.save / f"seed-{shown(failed.seed)[:18]}{_suffix(parsed.bug)}.json"
    timeline_text.draw(console, small.title, runner.moments)
    console.print()
    console.print(
        f"Shrunk from {len(whole.events)} events and {len(whole.steps)} steps"
        f" to {len(small.events)} and {len(small.steps)}."
    )
    try:
        save(small, path)
    except OSError as error:
        console.print(f"Not saved: {path} can't be written ({error.strerror})", style="red", markup=False)
        return
    bug = f' --bug "{parsed.bug}"' if parsed.bug else ""
    console.print(f"Again:  python -m simulators replay {path}", markup=False)
    console.print(f"Whole:  python -m simulators explore --seed {shown(failed.seed)}{bug}", markup=False)


def _suffix(bug: str | None) -> str:
    return "" if bug is None else "-" + "-".join(re.findall(r"[a-z0-9]+", bug.lower()))


def table(console: Console, visited: coverage.Coverage) -> None:
    """Print what was visited."""
    for title, names, place in (
        ("in which order", catalogue.ORDERS, 1),
        ("what befell it", catalogue.FAULTS, 2),
    ):
        shown_table = Table(title=f"Deliveries by type and {title}", title_justify="left")
        shown_table.add_column("event")
        for name in names:
            shown_table.add_column(name, justify="right")
        for kind in catalogue.TYPES:
            counts = [
                sum(count for cell, count in visited.cells.items() if cell[0] == kind and cell[place] == name)
                for name in names
            ]
            shown_table.add_row(kind, *(f"{count:,}" if count else "-" for count in counts))
        console.print(shown_table)
    rare = Table(title="Sometimes", title_justify="left", show_header=False)
    for what in catalogue.SOMETIMES:
        rare.add_row(what, f"{visited.sometimes[what]:,}")
    console.print(rare)


def _as_json(totals: Totals, failed: Lived | None, missing: coverage.Gaps | None, seconds: float) -> dict[str, object]:
    return {
        "holds": failed is None and not missing,
        "seeds": totals.seeds,
        "events": totals.events,
        "deliveries": totals.deliveries,
        "faults": totals.faults,
        "reads": totals.reads,
        "uses": totals.uses,
        "seconds": round(seconds, 1),
        "failed_seed": shown(failed.seed) if failed else None,
        "complaints": list(failed.complaints) if failed else [],
        "never": str(missing).splitlines() if missing else [],
        "coverage": coverage.as_json(totals.coverage),
    }


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1,000,000,000")
    return int(text)


def _seed(text: str) -> int:
    try:
        return seed_of(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
