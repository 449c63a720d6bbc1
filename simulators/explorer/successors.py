"""Finds what may happen next: each choice at one moment of a setting, and the moment that it leads to.

A moment is a world, the tasks in flight (each given by the answers that it got so far), the jobs still to begin, and
whether the one fault was spent. No choice is left out, for these reasons. A use case awaits nothing but ports and keeps
nothing elsewhere, so a task's position is a function of its job and of the answers that it got. The effect and the
answer of a call are a function of the world. Beginning a job touches no world, so a job begins with its first call. A
process that dies after a call is the same as one that dies before the next.

Once the fault was spent, a call that commutes with all others is performed at once, because any other order leads to
the same moment. Before that, no order is left out.
"""

from typing import NamedTuple

import attrs

from simulators.explorer.cases import Setting
from simulators.explorer.judging import Judge, insist
from simulators.explorer.transitions import Transitions
from simulators.stories.checkers import Checker, Complaint, judge_answered, judge_read
from simulators.stories.credit_operations import Answered, judge_answer
from simulators.stories.observation import Copy
from simulators.system.stepping import Returned
from simulators.system.system import Ask, Deliver, ReadQuota, Work

IN_FLIGHT = 2
"""Tasks at the same moment: two workers."""


class Node(NamedTuple):
    """A moment: the world, the tasks in flight, how often each job is still to begin, and whether the fault was."""

    world: int
    tasks: tuple[int, ...]
    left: tuple[int, ...]
    faulted: bool


class Choice(NamedTuple):
    """A choice: what happens next, to which task, and the task's position after it; None once the task has ended.

    `go`: its next call is performed. `before`, `after`: that call fails, before or after its effect. `die`: its process
    dies. `die both`: so do all. `unheard`: its last call is performed, and its answer is lost. `join`: the customer
    signs up.
    """

    what: str
    job: int = -1
    begins: bool = False
    task: int = -1
    becomes: int | None = None


@attrs.frozen(kw_only=True)
class Successors:
    """The choices of one setting's moments."""

    case: Setting
    known: Transitions
    judge: Judge
    reduces: bool = True

    def of(self, node: Node) -> list[tuple[Choice, Node]]:
        """Return every choice, and where it leads.

        :raises Wrong: if a checker complains of a task's end.
        """
        world, tasks, left, faulted = node
        found: list[tuple[Choice, Node]] = []
        alone = self._alone(node) if faulted and self.reduces else None
        for place, task in enumerate(tasks):
            if (place == 0 or task != tasks[place - 1]) and alone in (None, task):
                others = tasks[:place] + tasks[place + 1 :]
                self._step(found, Node(world, others, left, faulted), task, begins=False)
        if alone is not None:
            return found
        for job, times in enumerate(left):
            if times == 0:
                continue
            rest = Node(world, tasks, (*left[:job], times - 1, *left[job + 1 :]), faulted)
            if job == self.case.join:
                found.append((Choice("join"), rest._replace(world=self._join(world))))
            elif len(tasks) < IN_FLIGHT:
                self._step(found, rest, self.known.begin(job), begins=True)
        if not faulted and len(tasks) == IN_FLIGHT:
            dead = [self.known.standings[task].job for task in tasks]
            found.append((Choice("die both"), self._undone(world, (), left, *dead)))
        return found

    def _step(self, found: list[tuple[Choice, Node]], node: Node, task: int, *, begins: bool) -> None:
        """Add everything that may happen to one task next; the node is without it."""
        known = self.known
        job, pause = known.standings[task].job, known.standings[task].awaits
        assert pause is not None  # noqa: S101 - a task that has ended is in flight no more
        world, answer = known.perform(node.world, pause)
        going = known.advance(task, answer)
        is_last = known.standings[going].awaits is None
        choice = Choice("go", job, begins, task, None if is_last else going)
        self.judge.move(node.world, world, choice)
        found.append((choice, self._after(choice, node, world, going)))
        if node.faulted:
            return
        if not begins:
            found.append((Choice("die", job, begins, task), self._undone(node.world, node.tasks, node.left, job)))
        if is_last and job < len(self.case.events):
            found.append((Choice("unheard", job, begins, task), self._undone(world, node.tasks, node.left, job)))
        failure = known.failure(pause)
        if failure is not None:
            failing, spent = known.advance(task, failure), Node(node.world, node.tasks, node.left, faulted=True)
            becomes = None if known.standings[failing].awaits is None else failing
            for what, then in (("before", node.world), ("after", world)):
                if what == "before" or then != node.world:
                    choice = Choice(what, job, begins, task, becomes)
                    found.append((choice, self._after(choice, spent, then, failing)))

    def _after(  # noqa: PLR0911 - one line for each way to end
        self, choice: Choice, node: Node, world: int, task: int
    ) -> Node:
        """Return the node once a task has gone on, and is in flight still or has ended."""
        standing, tasks = self.known.standings[task], node.tasks
        if standing.awaits is not None:
            flying = (*tasks, task) if not tasks or tasks[0] <= task else (task, *tasks)
            return Node(world, flying, node.left, node.faulted)
        outcome, job = standing.outcome, self.known.jobs[standing.job]
        value = outcome.value if isinstance(outcome, Returned) else None
        ended = Node(world, tasks, node.left, node.faulted)
        match job:
            case Deliver() if value == 200:
                insist(judge_answered(self.judge.look(world), self.case.events[standing.job].id), choice)
                return ended
            case Deliver() if standing.is_disturbed:
                return self._undone(world, tasks, node.left, standing.job)
            case ReadQuota() if isinstance(value, Copy):
                for account in self.judge.look(world).accounts:
                    insist(judge_read(account, value), choice)
                return ended
            case ReadQuota() if standing.is_disturbed or (isinstance(outcome, Returned) and self.case.joins_later):
                return ended
            case Ask(use) if isinstance(value, Answered):
                insist(() if standing.is_disturbed else judge_answer(self.judge.look(world), use, value), choice)
                return ended
            case Ask() if standing.is_disturbed:
                return ended
            case Work() if standing.is_disturbed or isinstance(outcome, Returned):
                return ended
        insist((Complaint(Checker.REFUSED, f"{self.case.describe(standing.job)}: {outcome}"),), choice)
        return ended

    def _undone(self, world: int, tasks: tuple[int, ...], left: tuple[int, ...], *jobs: int) -> Node:
        """Return the node once a fault cut jobs short: Stripe repeats what was not answered, nobody else does."""
        again = list(left)
        for job in jobs:
            again[job] += job < len(self.case.events)
        return Node(world, tasks, tuple(again), faulted=True)

    def _alone(self, node: Node) -> int | None:
        """Return a task whose next call commutes with all that may happen otherwise, if there is one."""
        known, reader = self.known, self.case.reader
        is_read = node.left[reader] > 0 or any(known.standings[task].job == reader for task in node.tasks)
        for task in node.tasks:
            awaits = known.standings[task].awaits
            if awaits is not None and known.commutes(awaits, is_read=is_read):
                return task
        return None

    def _join(self, world: int) -> int:
        fork = self.known.worlds[world].fork()
        fork.sign_up(self.case.customer)
        return self.known.keep(fork)
