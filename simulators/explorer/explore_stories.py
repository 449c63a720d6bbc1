"""The exhaustive side of `explore`: every schedule of small stories, with a verdict in one line."""

import argparse
import contextlib
import functools
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from simulators.explorer.cases import CASES, settings
from simulators.explorer.exhaustive import Exploration, Explored, Failure
from simulators.explorer.failure_schedule import schedule_of
from simulators.schedules.files import save
from simulators.stories.catalogue import STORIES
from simulators.system.system import NoSuchSystem, System, load

Watch = Callable[[str, int], None]


@attrs.frozen(kw_only=True)
class Figures:
    """The totals of an exploration, and how long it took."""

    stories: int
    schedules: int
    states: int
    worlds: int
    seconds: float

    @property
    def states_a_second(self) -> float:
        """Return distinct moments in each second."""
        return self.states / max(self.seconds, 1e-9)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of exhaustive exploration."""
    stories = parser.add_argument_group("small stories, exhaustively")
    stories.add_argument("--story", action="append", metavar="NAME", help="only this story; may be repeated")
    stories.add_argument("--list", action="store_true", help="list the stories and exit")
    stories.add_argument("--thorough", action="store_true", help="include the large stories, which take minutes")


def run(parsed: argparse.Namespace) -> int:
    """Explore the stories that are asked for; returns the exit code."""
    try:
        system = load(parsed.system)
        if parsed.bug == "list":
            for name, given in system.bugs.items():
                print(f"{name}: {given}")
            return 0
        system = _planted(system, parsed.bug)
        names = _names(parsed)
    except NoSuchSystem as problem:
        print(problem, file=sys.stderr)
        return 2
    if parsed.list:
        for name in CASES:
            print(
                f"{name}: the customer {STORIES[CASES[name].story].summary}{' (large)' if CASES[name].is_large else ''}"
            )
        return 0
    with _watched(quiet=parsed.json) as watch:
        explored, figures = explore(system, names, watch)
    failure = next((one.failure for one in explored if one.failure is not None), None)
    path = _saved(failure, parsed) if failure is not None else None
    if parsed.json:
        print(json.dumps(_as_json(explored, figures, path)))
    else:
        _show(figures, failure, path)
    return 1 if failure is not None else 0


def explore(
    system: System, names: list[str], watch: Watch = lambda _name, _states: None
) -> tuple[list[Explored], Figures]:
    """Explore cases one after the other, up to the first that fails."""
    started, explored = time.perf_counter(), []
    for name in names:
        exploration = Exploration(system, settings(name), watch=functools.partial(watch, name))
        explored.append(exploration.run())
        if explored[-1].failure is not None:
            break
    return explored, Figures(
        stories=len(explored),
        schedules=sum(one.schedules for one in explored),
        states=sum(one.states for one in explored),
        worlds=sum(one.worlds for one in explored),
        seconds=time.perf_counter() - started,
    )


def _names(parsed: argparse.Namespace) -> list[str]:
    unknown = [name for name in parsed.story or () if name not in CASES]
    if unknown:
        raise NoSuchSystem(f"There is no story {unknown[0]!r}; `--list` lists them.")
    return list(parsed.story or (name for name, case in CASES.items() if parsed.thorough or not case.is_large))


def _planted(system: System, bug: str | None) -> System:
    if bug is None:
        return system
    if bug not in system.bugs:
        raise NoSuchSystem(f"There is no planted bug {bug!r}; `--bug list` lists them.")
    return system.planted(bug)


@contextlib.contextmanager
def _watched(*, quiet: bool) -> Iterator[Watch]:
    """Return progress on a terminal; elsewhere nothing, but for a line where each story begins."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        begun: set[str] = set()

        def show(name: str, _states: int) -> None:
            if name not in begun and not quiet:
                print(f"Exploring {name} …", file=sys.stderr, flush=True)
            begun.add(name)

        yield show
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        shown = progress.add_task("")
        yield lambda name, states: progress.update(shown, description=f"{name}: {states:,} states")


def _saved(failure: Failure, parsed: argparse.Namespace) -> Path:
    parsed.save.mkdir(parents=True, exist_ok=True)
    path: Path = parsed.save / f"{re.sub(r'[^a-z0-9]+', '-', failure.setting.name)}.json"
    save(schedule_of(failure, bug=parsed.bug), path)
    return path


def _as_json(explored: list[Explored], figures: Figures, path: Path | None) -> dict[str, Any]:
    complaints = [str(given) for one in explored if one.failure is not None for given in one.failure.complaints]
    return {
        "verdict": "bad" if complaints else "good",
        **attrs.asdict(figures),
        "each": [
            {"story": one.case, "schedules": one.schedules, "states": one.states, "worlds": one.worlds}
            for one in explored
        ],
        "complaints": complaints,
        "schedule": str(path) if path is not None else None,
    }


def _show(figures: Figures, failure: Failure | None, path: Path | None) -> None:
    tried = (
        f"{figures.schedules:,} schedules, {figures.states:,} distinct states, {figures.worlds:,} distinct worlds, "
        f"{figures.stories} {'story' if figures.stories == 1 else 'stories'}, {figures.seconds:.0f} s"
    )
    if failure is None:
        print(f"OK: {tried}.")
        return
    print(f"Bad: {failure.setting.name}, with {failure.setting.more}; {tried}.")
    for complaint in failure.complaints:
        print(f"  {complaint}")
    print(f"The schedule is in {path}; `python -m simulators replay {path}` plays it.")
