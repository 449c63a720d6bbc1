"""The checkers of what services use: each complains of what it is there for."""

import attrs
import pytest

from simulators.stories.checkers import Checker
from simulators.stories.credit_operations import (
    Answered,
    Use,
    judge_answer,
    judge_expiries,
    judge_taking,
    judge_uses,
    taken,
)
from simulators.stories.observation import Observation, ObservedAccount, ObservedEntry

ADA = "ada"
SPEND = Use(act="spend", customer=ADA, key="a", credits=30)
HOLD = Use(act="hold", customer=ADA, key="h", credits=20, hold="h1")
BOUGHT = ObservedEntry(version=1, amount=50, kind="purchase", balance_after=50)
SPENT = ObservedEntry(version=2, amount=-30, kind="spend", balance_after=20, key="request:a")
BEFORE = ObservedAccount(customer=ADA, balance=50, version=1, entries=(BOUGHT,))
AFTER = ObservedAccount(customer=ADA, balance=20, held=20, version=2, entries=(BOUGHT, SPENT))


def seen(account: ObservedAccount, **answers: str) -> Observation:
    return Observation(accounts=(account,), answers=answers)


def test_what_was_asked_was_taken() -> None:
    """Once, with the credits held that a hold sets aside, and what is left is available."""
    assert () == judge_uses(seen(AFTER), (SPEND, HOLD))
    assert () == judge_taking(seen(BEFORE), seen(AFTER))
    assert () == judge_answer(seen(AFTER, a="20 left"), SPEND, Answered(verdict="done", answer="20 left"))
    assert () == judge_answer(seen(BEFORE), SPEND, Answered(verdict="refused", answer="not enough"))
    assert 30 == taken(AFTER)


@pytest.mark.parametrize(
    ("account", "checker"),
    [
        (attrs.evolve(AFTER, entries=(BOUGHT, attrs.evolve(SPENT, amount=-31))), Checker.USED),
        (attrs.evolve(AFTER, entries=(BOUGHT, SPENT, attrs.evolve(SPENT, version=3))), Checker.USED),
        (attrs.evolve(AFTER, entries=(BOUGHT, attrs.evolve(SPENT, key="request:b"))), Checker.USED),
        (attrs.evolve(AFTER, held=19), Checker.HELD),
    ],
)
def test_what_was_not_asked(account: ObservedAccount, checker: Checker) -> None:
    """Another amount, twice, under no key of anybody's, or held."""
    assert checker in {complaint.checker for complaint in judge_uses(seen(account), (SPEND, HOLD))}


PERIOD = ObservedEntry(version=1, amount=50, kind="grant", balance_after=50, payment="in_1")
EXPIRED = ObservedEntry(version=2, amount=-50, kind="expiry", balance_after=0, payment="in_1")


def test_what_is_over_may_expire() -> None:
    """Then it counts as gone, as what was used does."""
    account = ObservedAccount(customer=ADA, balance=0, version=2, entries=(PERIOD, EXPIRED))
    assert () == judge_expiries(seen(account), {"in_1": 100}, 100)
    assert 50 == taken(account)


@pytest.mark.parametrize(
    ("expired", "ends"),
    [
        (EXPIRED, {"in_1": 101}),
        (EXPIRED, {}),
        (attrs.evolve(EXPIRED, payment=None), {"in_1": 100}),
        (attrs.evolve(EXPIRED, amount=-51), {"in_1": 100}),
    ],
)
def test_nothing_else_expires(expired: ObservedEntry, ends: dict[str, int]) -> None:
    """What is not over, never ends, or was never given."""
    account = ObservedAccount(customer=ADA, balance=0, version=2, entries=(PERIOD, expired))
    assert {Checker.EXPIRED} == {complaint.checker for complaint in judge_expiries(seen(account), ends, 100)}


def test_a_capture_after_the_end() -> None:
    """A hold of no time is over at once."""
    late = Use(act="capture", customer=ADA, key="h1", credits=20, hold="h1")
    captured = ObservedEntry(version=2, amount=-20, kind="capture", balance_after=30, key="hold:h1")
    account = ObservedAccount(customer=ADA, balance=30, version=2, entries=(BOUGHT, captured))
    assert () == judge_uses(seen(account), (HOLD, late))
    assert {Checker.USED} == {one.checker for one in judge_uses(seen(account), (attrs.evolve(HOLD, lasts=0), late))}


def test_more_than_is_available() -> None:
    """A spend that takes what is held, and a hold of what is not there; a clawback may."""
    assert [Checker.OVERDRAWN] == [
        one.checker for one in judge_taking(seen(attrs.evolve(BEFORE, held=40)), seen(attrs.evolve(AFTER, held=40)))
    ]
    assert [Checker.OVERDRAWN] == [
        one.checker for one in judge_taking(seen(BEFORE), seen(attrs.evolve(BEFORE, held=60)))
    ]
    clawed = attrs.evolve(SPENT, kind="clawback")
    assert () == judge_taking(
        seen(attrs.evolve(BEFORE, held=40)), seen(attrs.evolve(AFTER, held=40, entries=(BOUGHT, clawed)))
    )


def test_answers_are_the_first_ones() -> None:
    """Whoever asks again gets the same answer, and what was answered stays."""
    given = judge_answer(seen(AFTER, a="20 left"), SPEND, Answered(verdict="done", answer="50 left"))
    assert [Checker.ANSWER] == [complaint.checker for complaint in given]
    changed = judge_taking(seen(AFTER, a="20 left"), seen(AFTER, a="50 left"))
    assert [Checker.ANSWER] == [complaint.checker for complaint in changed]
    lost = judge_answer(seen(AFTER), SPEND, Answered(verdict="unsettled", answer="tired"))
    assert [Checker.REFUSED] == [complaint.checker for complaint in lost]
