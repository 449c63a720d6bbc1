"""Judging a world wherever it comes up: once, for what is found out of it holds everywhere."""

from typing import Any

import attrs

from simulators.explorer.cases import PLANS, Setting
from simulators.explorer.transitions import Transitions
from simulators.stories.charges import answers
from simulators.stories.checkers import (
    Checker,
    Complaint,
    judge_account,
    judge_grants,
    judge_invoices,
    judge_meanwhile,
    judge_move,
    judge_quiet,
    judge_read,
)
from simulators.stories.credit_operations import (
    Answered,
    before_use,
    judge_answer,
    judge_expiries,
    judge_taking,
    judge_uses,
    taken,
)
from simulators.stories.event_readings import reading_of
from simulators.stories.expectations import Expectation, possible_balances
from simulators.stories.observation import Copy, Observation
from simulators.stories.reading_worth import dues, ends_of, invoices_due
from simulators.system.settling import JOBS, LEASE_SECONDS, do, settle
from simulators.system.system import Ask, ReadQuota, World


class Wrong(Exception):
    """A checker complains; `choice` is what led there, where that was not yet taken."""

    def __init__(self, complaints: tuple[Complaint, ...], choice: Any = None) -> None:
        super().__init__(complaints)
        self.complaints = complaints
        self.choice = choice


def insist(complaints: tuple[Complaint, ...], choice: Any = None) -> None:
    """Go on if there is nothing to complain of.

    :raises Wrong: if there is.
    """
    if complaints:
        raise Wrong(complaints, choice)


class Judge:
    """The checkers, for the worlds of one case."""

    def __init__(self, case: Setting, known: Transitions) -> None:
        credits_by_plan = {plan.id: plan.credits for plan in PLANS}
        self._case = case
        self._known = known
        self._expected = Expectation.of(case.acts)
        self._readings = {event.id: reading_of(event.body, credits_by_plan, case.prices) for event in case.events}
        self._readings |= answers(case.payments, credits_by_plan)
        self._charges = [use for use in case.uses if use.act == "charge"]
        self._invoices = invoices_due(self._readings.values())
        self._ends = ends_of(self._readings.values())
        self._moved: set[tuple[int, int]] = set()
        self._looked: dict[int, Observation] = {}
        self._judged: set[int] = set()

    def look(self, number: int) -> Observation:
        """Judge a world by itself, whatever is in flight: what was decided counts, wholly, and nothing else does.

        :raises Wrong: if a checker complains.
        """
        if number not in self._looked:
            world = self._known.worlds[number]
            seen = world.seen()
            insist(judge_uses(seen, self._case.uses))
            insist(judge_expiries(seen, self._ends, self._case.now))
            found = [reading for event, reading in self._readings.items() if event in seen.ended]
            due = dues(found)
            possible = possible_balances(found, [], [self._case.customer.user_id])
            insist(judge_meanwhile(before_use(seen), self._expected, possible))
            for account in seen.accounts:
                insist(judge_account(account))
                insist(judge_grants(account, due, seen.now))
                read = do(world.fork(), ReadQuota(account.customer))
                nothing = (Complaint(Checker.READ, f"{account.customer}: no answer"),)
                insist(judge_read(account, read) if isinstance(read, Copy) else nothing)
            self._looked[number] = seen
        return self._looked[number]

    def move(self, before: int, after: int, choice: Any) -> None:
        """Judge one step, from one world to another.

        :raises Wrong: if a checker complains.
        """
        if before != after and (before, after) not in self._moved:
            then = self._known.worlds[after].seen()
            insist(judge_move(self.look(before), then), choice)
            insist(judge_taking(self.look(before), then), choice)
            self._moved.add((before, after))

    def settle(self, number: int) -> None:
        """Let a world in which nothing is to come any more come to rest, and judge what it comes to.

        :raises Wrong: if a checker complains.
        """
        if number not in self._judged:
            fork = self._known.worlds[number].fork()
            self._ask_again(fork)
            settle(fork, jobs=(*JOBS, "charges") if self._charges else JOBS)
            seen = fork.seen()
            insist(judge_quiet(seen, self._less(seen), self._readings))
            insist(judge_invoices(seen, self._invoices))
            self._judged.add(number)

    def _ask_again(self, world: World) -> None:
        """Let who asked for money ask until there is an answer; who was interrupted has let go by then."""
        if self._charges:
            world.let_pass(LEASE_SECONDS)
        for use in self._charges:
            answered = do(world, Ask(use))
            insist(judge_answer(world.seen(), use, answered) if isinstance(answered, Answered) else ())

    def _less(self, seen: Observation) -> Expectation:
        """Return what balances must be, less what was used; how much that may be is judged apart."""
        used = {account.customer: taken(account) for account in seen.accounts}
        left = {name: worth - used.get(name, 0) for name, worth in self._expected.balances.items()}
        return attrs.evolve(self._expected, balances=left)
