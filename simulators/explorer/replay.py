"""Play a saved schedule again, without whatever made it, and show what happens as a timeline.

A schedule is a JSON file: which events Stripe sends to which process, in which order, and what goes wrong meanwhile.
`explore` saves one for each failure; they may be edited by hand. Exits 0 if every check holds, 1 if one fails, 2 if the
file can't be played.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs
from rich.console import Console

from simulators.schedules import timeline_svg, timeline_text
from simulators.schedules.files import UnreadableSchedule, load
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.steps import Schedule
from simulators.schedules.traces import Moment
from simulators.system.system import DEFAULT, NoSuchSystem, System
from simulators.system.system import load as load_system

PICTURES = (".svg", ".html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("file", type=Path, help="the schedule, such as failures/seed-0xc0ffee.json")
    parser.add_argument("--timeline", type=Path, metavar="OUT", help="also draw the timeline into a .svg or .html file")
    parser.add_argument("--quiet", action="store_true", help="print the verdict only")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.add_argument("--without-bug", action="store_true", help="run it on the system without the planted bug")
    parser.add_argument("--system", default=DEFAULT, metavar="MODULE", help="what is under test (default: %(default)s)")


def run(parsed: argparse.Namespace) -> int:
    """Play the schedule; returns the exit code."""
    try:
        schedule = load(parsed.file)
        if parsed.without_bug:
            schedule = attrs.evolve(schedule, bug=None)
        under_test = system_for(schedule, parsed.system)
        if parsed.timeline is not None and parsed.timeline.suffix not in PICTURES:
            raise UnreadableSchedule(f"Cannot draw {parsed.timeline}: name a file that ends in .svg or .html.")
    except (UnreadableSchedule, NoSuchSystem) as problem:
        print(problem, file=sys.stderr)
        return 2
    runner = ScheduleRunner(schedule, under_test)
    runner.play()
    said = verdict(schedule, runner)
    if parsed.json:
        print(json.dumps(_as_json(schedule, runner)))
    else:
        console = Console(highlight=False, soft_wrap=True)
        if not parsed.quiet:
            timeline_text.draw(console, schedule.title, runner.moments)
            console.print()
        console.print(said, style="bold red" if runner.has_failed else "bold green", markup=False)
    if parsed.timeline is not None and not drawn(parsed.timeline, schedule.title, said, runner.moments):
        return 2
    return 1 if runner.has_failed else 0


def system_for(schedule: Schedule, name: str) -> System:
    """Return the system that a schedule is for, with its bug where it has one.

    :raises NoSuchSystem: if there is none.
    """
    under_test = load_system(name)
    if schedule.bug is None:
        return under_test
    if schedule.bug not in under_test.bugs:
        known = ", ".join(sorted(under_test.bugs)) or "none"
        raise NoSuchSystem(f"the schedule is for the planted bug {schedule.bug!r}, and the system knows: {known}")
    return under_test.planted(schedule.bug)


def verdict(schedule: Schedule, runner: ScheduleRunner) -> str:
    """Return how it went, in one line."""
    figures = f"{runner.deliveries:,} deliveries of {len(schedule.events):,} events, {runner.faults:,} faults"
    if not runner.has_failed:
        return f"Every check held: {figures}, {runner.reads:,} reads."
    return f"It fails after {figures}: {runner.named(str(runner.complaints[0]))}"


def drawn(path: Path, title: str, said: str, moments: Sequence[Moment]) -> bool:
    """Draw a timeline into a file; False, and a word why, where it can't be written."""
    draw = timeline_svg.page if path.suffix == ".html" else timeline_svg.svg
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draw(title, said, moments), encoding="utf-8")
    except OSError as error:
        print(f"The timeline is not drawn: {path} can't be written ({error.strerror})", file=sys.stderr)
        return False
    print(f"Drawn: {path}", file=sys.stderr)
    return True


def _as_json(schedule: Schedule, runner: ScheduleRunner) -> dict[str, object]:
    return {
        "title": schedule.title,
        "seed": schedule.seed,
        "bug": schedule.bug,
        "holds": not runner.has_failed,
        "complaints": [
            {"checker": one.checker.name, "message": runner.named(one.message)} for one in runner.complaints
        ],
        "events": len(schedule.events),
        "steps": len(schedule.steps),
        "deliveries": runner.deliveries,
        "faults": runner.faults,
        "reads": runner.reads,
    }
