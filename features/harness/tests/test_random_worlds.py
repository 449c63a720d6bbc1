"""Random worlds on the real use cases: they hold, they repeat themselves to the byte, and they find what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from features.harness.binding import MemorySystem
from simulators.explorer import coverage
from simulators.explorer.random_lives import VERSIONS
from simulators.explorer.random_worlds import Explored, explore
from simulators.explorer.seed_runs import Totals, live_all
from simulators.schedules.files import dumped, parsed, save
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.shrinking import shrink
from simulators.schedules.traces import as_text
from simulators.system.system import DEFAULT, System

ROOT = Path(__file__).resolve().parents[3]
SEEDS = 200
SAMPLE = (
    "a conflict is taken for a duplicate",
    "a failed refund counts",
    "acknowledges before the commit",
    "deduplicates by session",
    "marks seen before the commit",
    "no second decision after a conflict",
    "the event in a second write",
    "the last refund wins",
    "the answer to a charge is a payment of its own",
    "what a merged row knew is forgotten",
)
CARELESS = "the cache is written without a version"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A simulators' command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "simulators", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def found_by(under_test: System, *, most: int = 60) -> Explored:
    """The first world in which the system fails."""
    return next(explored for seed in range(most) if (explored := explore(seed, under_test)).complaints)


def test_two_hundred_worlds_hold() -> None:
    """No balance is ever wrong, all comes to rest, and each rare thing of the short catalogue happened."""
    totals = Totals()
    for lived in live_all(range(SEEDS), DEFAULT, None, jobs=2):
        totals.add(lived)
        assert () == lived.complaints, f"python -m simulators explore --seed {lived.seed}"
    missing = coverage.gaps(totals.coverage, VERSIONS, is_long=False)
    assert not missing, str(missing)
    assert SEEDS == totals.seeds
    print(f"{totals.deliveries:,} deliveries, {totals.faults:,} faults, {len(totals.coverage.cells):,} cells")


def test_a_seed_is_the_same_world_in_every_process(tmp_path: Path) -> None:
    """Its trace is the same to the byte, whatever the hash seed; another seed's is not."""
    traces = []
    for seed, hashing in (("632aed7", "1"), ("632aed7", "2"), ("632aed8", "1")):
        path = tmp_path / f"{seed}-{hashing}.txt"
        done = run("explore", "--seed", seed, "--trace", str(path), "--jobs", "1", PYTHONHASHSEED=hashing)
        assert 0 == done.returncode, done.stderr
        traces.append(path.read_bytes())
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]
    assert len(traces[0].splitlines()) > 50


def test_a_world_replays_without_its_generator() -> None:
    """The schedule of a world, read back from its file, makes the very same trace."""
    explored = explore(7, MemorySystem())
    runner = ScheduleRunner(parsed(dumped(explored.schedule)), MemorySystem())
    assert () == runner.play()
    assert as_text(explored.moments) == as_text(runner.moments)


@pytest.mark.parametrize("bug", SAMPLE)
def test_known_bugs_are_found(bug: str) -> None:
    """So they do with a sample of the bugs that the exhaustive explorer is held against."""
    assert found_by(MemorySystem().planted(bug)).complaints


def test_a_failure_shrinks_and_replays_elsewhere(tmp_path: Path) -> None:
    """A few events and steps are left, they fail alike in a fresh process, and pass where the bug is not."""
    careless = MemorySystem().planted(CARELESS)
    whole = found_by(careless)
    small = shrink(whole.schedule, careless)
    assert len(small.events) <= 4 < len(whole.schedule.events)
    assert len(small.steps) <= 8 < len(whole.schedule.steps)
    assert small == shrink(whole.schedule, careless)
    complaints = ScheduleRunner(small, careless).play()
    assert whole.complaints[0].checker is complaints[0].checker
    path = tmp_path / "small.json"
    save(attrs.evolve(small, bug=CARELESS, complaints=tuple(map(str, complaints))), path)
    done = run("replay", str(path), "--json")
    assert 1 == done.returncode, done.stderr
    assert complaints[0].checker.name == json.loads(done.stdout)["complaints"][0]["checker"]
    assert 0 == run("replay", str(path), "--quiet", "--without-bug").returncode


def test_exploring_a_failure_says_how_to_see_it_again(tmp_path: Path) -> None:
    """It exits 1 with seed, timeline, file and commands; the file's timeline can be drawn."""
    done = run("explore", "--seeds", "60", "--jobs", "1", "--save", str(tmp_path), "--bug", CARELESS)
    assert 1 == done.returncode, done.stderr
    (saved,) = tmp_path.glob("seed-*.json")
    assert "fails" in done.stdout
    assert f"python -m simulators replay {saved}" in done.stdout
    assert "Process a" in done.stdout
    picture = tmp_path / "timeline.html"
    again = run("replay", str(saved), "--timeline", str(picture))
    assert 1 == again.returncode
    assert "It fails after" in again.stdout
    drawn = picture.read_text()
    assert "<svg" in drawn
    assert "the cache went back to an older state" in drawn


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("replay", "absent.json"), "Cannot read schedule absent.json: no such file.\n"),
        (("replay", "Makefile"), "Cannot read schedule Makefile: not JSON (line 1"),
        (("explore", "--seeds", "1", "--bug", "unheard of"), "There is no planted bug 'unheard of'"),
        (
            ("explore", "--seeds", "1", "--system", "features.nothing"),
            "'features.nothing' can't be loaded",
        ),
        (("explore", "--seed", "seven"), "'seven' is no seed: give a number"),
        (("explore", "--seeds", "0"), "'0' is no number from 1"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(arguments: tuple[str, ...], problem: str) -> None:
    """It exits 2, and says what is wrong without a traceback."""
    done = run(*arguments)
    assert 2 == done.returncode
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
