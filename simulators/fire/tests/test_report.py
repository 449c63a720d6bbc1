"""What a person and a machine are told of a run."""

import io

import pytest
from rich.console import Console

from simulators.fire.report import SHOWN, Report
from simulators.fire.runs import FireRun
from simulators.fire.sender import Tally
from simulators.fire.verdicts import Finding, Verdict

RIGHT = Finding(customer="ada", expected=50, balance=50, entries=1, complaints=())
WRONG = Finding(customer="bob", expected=50, balance=100, entries=2, complaints=("balance is wrong: bob",))


def report(
    *,
    findings: tuple[Finding, ...] = (RIGHT,),
    complaints: tuple[str, ...] = (),
    seen_wrong: tuple[str, ...] = (),
    left_behind: tuple[str, ...] = (),
    judged: bool = True,
) -> Report:
    tally = Tally(complaints=list(complaints))
    verdict = Verdict(findings=findings, complaints=complaints) if judged else None
    fire_run = FireRun(tag="fire-1", tally=tally, verdict=verdict, seen_wrong=list(seen_wrong), left_behind=left_behind)
    return Report(
        target="https://staging.example.com",
        seed="0x7",
        schedule=None,
        stories=("purchase",),
        tally=tally,
        fire_runs=(fire_run,),
        interrupted=not judged,
        left_out=0,
    )


def shown(given: Report) -> str:
    text = io.StringIO()
    given.show(Console(file=text, width=200, highlight=False))
    return text.getvalue()


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (report(), "good"),
        (report(findings=(RIGHT, WRONG)), "bad"),
        (report(complaints=("evt_1 was never accepted",)), "bad"),
        (report(seen_wrong=("balance is more than was ever paid for",)), "bad"),
        (report(left_behind=("the users of fire-1 could not be removed",)), "bad"),
        (report(judged=False), "interrupted"),
        (report(judged=False, seen_wrong=("balance is more than was ever paid for",)), "bad"),
        (report(judged=False, left_behind=("the users of fire-1 could not be removed",)), "bad"),
    ],
)
def test_anything_wrong_makes_it_bad(given: Report, verdict: str) -> None:
    """At the end, meanwhile, in the deliveries, or in the cleaning up; also where somebody interrupted it."""
    assert verdict == given.verdict == given.as_json()["verdict"]


def test_what_is_left_behind_is_reported_first() -> None:
    """Before all that is too much to be told."""
    many = tuple(f"evt_{number} was never accepted" for number in range(3 * SHOWN))
    text = shown(report(complaints=many, left_behind=("the users of fire-1 could not be removed",)))
    assert "the users of fire-1 could not be removed" in text
    assert f"… and {2 * SHOWN + 1} more; see --json" in text


def test_a_wrong_account_is_reported_with_its_reason() -> None:
    """What it has, and what it should."""
    text = shown(report(findings=(RIGHT, WRONG)))
    assert "bob: 100 instead of 50, 2 entries" in text
    assert "balance is wrong: bob" in text
    assert "Bad: 1 of 2 balances are wrong" in text
