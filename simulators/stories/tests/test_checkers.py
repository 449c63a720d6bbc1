"""The checkers complain of each thing that they are there for, and of nothing else."""

from typing import Any

import attrs
import pytest

from simulators.stories.acts import Bought, Paid, Refunded
from simulators.stories.checkers import (
    Checker,
    judge_account,
    judge_answered,
    judge_invoices,
    judge_meanwhile,
    judge_move,
    judge_quiet,
    judge_read,
)
from simulators.stories.event_readings import Reading, RefundReading, Sold
from simulators.stories.expectations import Expectation, possible_balances
from simulators.stories.observation import Copy, Observation, ObservedAccount, ObservedEntry

ADA = "ada"
ACTS = (
    Bought(customer=ADA, payment="pi_1", credits=50, amount=500),
    Paid(payment="pi_1"),
    Refunded(payment="pi_1", refund="re_1", amount=250),
)
ENTRIES = (
    ObservedEntry(version=1, amount=50, kind="purchase", balance_before=0, balance_after=50, key="a", payment="pi_1"),
    ObservedEntry(version=2, amount=-25, kind="clawback", balance_before=50, balance_after=25, key="b", payment="pi_1"),
)
GOOD = ObservedAccount(customer=ADA, balance=25, version=2, entries=ENTRIES, copy=Copy(balance=25, version=2))
QUIET = Observation(accounts=(GOOD,), ended=frozenset({"evt_1"}))


def with_entry(place: int, **changed: Any) -> ObservedAccount:
    entries = list(ENTRIES)
    entries[place] = attrs.evolve(entries[place], **changed)
    return attrs.evolve(GOOD, entries=tuple(entries))


def test_nothing_is_wrong_with_what_is_right() -> None:
    """Entries that add up, a copy that agrees, every event ended."""
    assert () == judge_quiet(QUIET, Expectation.of(ACTS), ["evt_1"])
    assert () == judge_account(attrs.evolve(GOOD, copy=Copy(balance=50, version=1)))
    assert () == judge_read(GOOD, Copy(balance=0, version=0))


@pytest.mark.parametrize(
    ("account", "checker"),
    [
        (attrs.evolve(GOOD, balance=30), Checker.ENTRIES),
        (with_entry(1, balance_before=49), Checker.ENTRIES),
        (with_entry(1, balance_after=26), Checker.ENTRIES),
        (with_entry(1, version=3), Checker.VERSIONS),
        (attrs.evolve(GOOD, version=3), Checker.VERSIONS),
        (with_entry(1, key="a"), Checker.KEY_TWICE),
        (with_entry(1, kind="purchase"), Checker.GRANTED_TWICE),
        (attrs.evolve(GOOD, copy=Copy(balance=75, version=3)), Checker.COPY),
        (attrs.evolve(GOOD, copy=Copy(balance=25, version=1)), Checker.COPY),
    ],
)
def test_an_account_that_is_wrong_by_itself(account: ObservedAccount, checker: Checker) -> None:
    """Whenever it is looked at."""
    assert checker in {complaint.checker for complaint in judge_account(account)}


@pytest.mark.parametrize(
    ("seen", "checker"),
    [
        (Observation(accounts=(with_entry(1, amount=-20),), ended=QUIET.ended), Checker.ENTRIES),
        (attrs.evolve(QUIET, accounts=(attrs.evolve(GOOD, balance=50),)), Checker.BALANCE_WRONG),
        (attrs.evolve(QUIET, accounts=(attrs.evolve(GOOD, copy=Copy(balance=50, version=1)),)), Checker.COPY_STALE),
        (attrs.evolve(QUIET, ended=frozenset()), Checker.EVENT_LOST),
        (attrs.evolve(QUIET, messages_left=1), Checker.MESSAGE_LOST),
        (attrs.evolve(QUIET, inconsistencies=("ada: hash",)), Checker.CONSISTENCY),
    ],
)
def test_what_is_wrong_once_all_is_quiet(seen: Observation, checker: Checker) -> None:
    """Nothing may be left over, behind or lost."""
    assert checker in {complaint.checker for complaint in judge_quiet(seen, Expectation.of(ACTS), ["evt_1"])}


def test_a_quota_that_the_ledger_never_had() -> None:
    """A reader may be behind, but never ahead or beside."""
    assert [Checker.READ] == [complaint.checker for complaint in judge_read(GOOD, Copy(balance=100, version=2))]


SALE = Reading(frozenset({"pi_1"}), (Sold(customer=ADA, credits=50, amount=500, is_paid=True),))
REFUND = Reading(frozenset({"pi_1", "ch_1"}), (RefundReading(refund="re_1", amount=250, rank=1),))


def test_what_a_balance_may_be_meanwhile() -> None:
    """What was answered counts; what is being handled may or may not."""
    assert {ADA: frozenset({0})} == possible_balances([], [], [ADA])
    assert {ADA: frozenset({50})} == possible_balances([SALE], [], [ADA])
    assert {ADA: frozenset({0, 25})} == possible_balances([REFUND], [SALE], [ADA])
    assert {ADA: frozenset({0, 25, 50})} == possible_balances([], [SALE, REFUND], [ADA])


@pytest.mark.parametrize(
    ("balance", "checkers"),
    [
        (25, set()),
        (50, {Checker.BALANCE_IMPOSSIBLE}),
        (75, {Checker.BALANCE_IMPOSSIBLE, Checker.BALANCE_TOO_HIGH}),
    ],
)
def test_balances_are_judged_while_things_are_in_flight(balance: int, checkers: set[Checker]) -> None:
    """A balance of no set of what was reported, and one beyond all that was paid."""
    seen = Observation(accounts=(attrs.evolve(GOOD, balance=balance),))
    possible = possible_balances([SALE, REFUND], [], [ADA])
    given = judge_meanwhile(seen, Expectation.of(ACTS), possible)
    assert checkers == {complaint.checker for complaint in given}


@pytest.mark.parametrize(
    ("after", "checkers"),
    [
        (GOOD, []),
        (attrs.evolve(GOOD, copy=None), []),
        (attrs.evolve(GOOD, copy=Copy(balance=50, version=1)), [Checker.COPY_BACK]),
        (with_entry(0, kind="spend"), [Checker.ENTRIES]),
        (attrs.evolve(GOOD, entries=ENTRIES[:1]), [Checker.ENTRIES]),
    ],
)
def test_one_step_takes_nothing_back(after: ObservedAccount, checkers: list[Checker]) -> None:
    """Entries stay as they are, and a copy goes forward or is gone."""
    given = judge_move(Observation(accounts=(GOOD,)), Observation(accounts=(after,)))
    assert checkers == [complaint.checker for complaint in given]


def test_an_answer_without_a_record_and_an_invoice_that_was_not_sent() -> None:
    """An event that waits is recorded; an invoice may be sent early."""
    seen = Observation(
        accounts=(), ended=frozenset({"e1"}), waiting=frozenset({"e2"}), invoices_sent=frozenset({"in_1"})
    )
    assert [(), (), 1] == [judge_answered(seen, "e1"), judge_answered(seen, "e2"), len(judge_answered(seen, "e3"))]
    assert [Checker.INVOICE] == [complaint.checker for complaint in judge_invoices(seen, ["in_1", "in_2"])]
    assert () == judge_invoices(seen, [])
