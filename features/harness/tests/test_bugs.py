"""Bugs of one line, planted one at a time: the explorer finds each, by the checker that is there for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from features.harness.binding import system
from features.harness.bugs import of_spending
from features.harness.bugs.catalogue import BUGS
from simulators.explorer.cases import settings
from simulators.explorer.exhaustive import Exploration, Failure
from simulators.explorer.failure_schedule import schedule_of
from simulators.schedules.files import dumped, parsed, save
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.steps import Advance
from simulators.stories.checkers import Checker

ROOT = Path(__file__).resolve().parents[3]


def found(name: str) -> Failure:
    bug = BUGS[name]
    failure = Exploration(system.planted(name), settings(bug.case)).run().failure
    assert failure is not None, f"nobody noticed that: {bug.description}"
    return failure


@pytest.mark.parametrize("name", BUGS)
def test_every_bug_is_caught(name: str) -> None:
    """Within one case, which no schedule of the unchanged system fails; what led there can be kept in a file."""
    failure = found(name)
    assert BUGS[name].checker in {complaint.checker for complaint in failure.complaints}
    schedule = schedule_of(failure, bug=name)
    assert schedule == parsed(dumped(schedule))
    assert [] != [step for step in schedule.steps if isinstance(step, Advance)]


@pytest.mark.parametrize("name", BUGS)
def test_what_led_there_is_replayed_to_the_same_end(name: str) -> None:
    """The schedule alone, played by the other explorer's player, brings a complaint of the same kind."""
    failure = found(name)
    complaints = ScheduleRunner(schedule_of(failure, bug=name), system.planted(name)).play()
    assert {one.checker for one in failure.complaints} & {one.checker for one in complaints}


@pytest.mark.parametrize("name", [bug.name for bug in of_spending.BUGS])
def test_what_led_there_is_replayed_by_whoever_has_the_file(name: str, tmp_path: Path) -> None:
    """A fresh process that is given the file alone complains alike, and not where the bug is absent."""
    path = tmp_path / "saved.json"
    save(schedule_of(found(name), bug=name), path)
    command = [sys.executable, "-m", "simulators", "replay", str(path)]
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert 1 == done.returncode, done.stderr
    assert BUGS[name].checker.name in {one["checker"] for one in json.loads(done.stdout)["complaints"]}
    sound = subprocess.run(
        [*command, "--quiet", "--without-bug"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert 0 == sound.returncode, sound.stdout


def test_there_are_bugs_enough() -> None:
    """At least twenty, for most of the checkers."""
    assert len(BUGS) >= 20
    fields = {bug.checker for bug in BUGS.values()}
    assert {Checker.BALANCE_IMPOSSIBLE, Checker.EVENT_LOST, Checker.COPY_BACK, Checker.INVOICE} <= fields


def test_a_bug_is_in_force_only_where_it_was_planted() -> None:
    """The unchanged system next to it stays unchanged."""
    found("a failed refund counts")
    assert Exploration(system, settings("refund that fails")).run().failure is None
