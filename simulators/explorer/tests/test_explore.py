"""`python -m simulators explore`, as people and machines run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.schedules.files import load

ROOT = Path(__file__).resolve().parents[3]


def explore(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulators", "explore", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_one_story_ends_in_one_line_of_verdict() -> None:
    """With its figures; progress goes elsewhere."""
    done = explore("--story", "purchase")
    assert (0, 1) == (done.returncode, done.stdout.count("\n")), done.stderr
    assert done.stdout.startswith("OK: ")
    for figure in ("schedules", "distinct states", "distinct worlds", "1 story"):
        assert figure in done.stdout
    assert "Exploring purchase" in done.stderr


def test_machines_get_json() -> None:
    """One object, with the figures of each story."""
    done = explore("--json", "--story", "purchase", "--story", "inquiry")
    answer = json.loads(done.stdout)
    assert (0, "good", []) == (done.returncode, answer["verdict"], answer["complaints"])
    assert ["purchase", "inquiry"] == [one["story"] for one in answer["each"]]
    assert answer["schedules"] == sum(one["schedules"] for one in answer["each"]) > 1_000_000


def test_a_failure_is_reported_and_saved(tmp_path: Path) -> None:
    """What led there is in a file that needs nothing else."""
    done = explore("--bug", "the last refund wins", "--story", "refund in parts", "--save", str(tmp_path / "kept"))
    assert 1 == done.returncode
    assert done.stdout.startswith("Bad: refund in parts")
    assert "balance is of no set of events that were reported" in done.stdout
    (path,) = (tmp_path / "kept").iterdir()
    assert "the last refund wins" == load(path).bug


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--story", "nonsense"), "There is no story 'nonsense'; `--list` lists them."),
        (("--bug", "nonsense"), "There is no planted bug 'nonsense'; `--bug list` lists them."),
        (("--system", "no.such.module"), "can't be loaded"),
        (("--system", "json"), "The module 'json' provides no `system`."),
    ],
)
def test_what_can_not_be_explored_is_reported(arguments: tuple[str, ...], text: str) -> None:
    """In a sentence, with exit code 2."""
    done = explore(*arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_it_teaches() -> None:
    """What it does, what there is, what may be planted."""
    assert "every order of their deliveries" in explore("--help").stdout
    assert "dispute won: the customer buys, disputes" in explore("--list").stdout
    assert "the last refund wins: Only one refund" in explore("--bug", "list").stdout
