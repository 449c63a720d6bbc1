"""Shrinking: the least of a schedule that still fails in the same way, found by leaving out ever smaller parts.

No chance is involved: the same failure shrinks to the same schedule. Any part of a schedule is a schedule, since it
settles at its end; and what the events that are left are worth follows from them alone.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from simulators.schedules import steps as schedules
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.steps import Advance, Deliver, Finish, Schedule, Step, Wait
from simulators.stories.checkers import Checker
from simulators.stories.events import Event
from simulators.system.system import System

Part = TypeVar("Part")
Watch = Callable[[int, Schedule], None]

MOST_PLAYS = 5_000
"""Schedules that are tried at most; then the smallest so far must do."""


def shrink(schedule: Schedule, under_test: System, *, watch: Watch = lambda plays, smallest: None) -> Schedule:
    """The smallest schedule found that fails as this one does; itself, where it does not fail."""
    search = _Search(schedule, under_test, watch)
    return search.run() if search.checker is not None else schedule


class _Search:
    def __init__(self, schedule: Schedule, under_test: System, watch: Watch) -> None:
        self.under_test = under_test
        self.watch = watch
        self.plays = 0
        self.smallest = schedule
        self.checker = self._play(schedule)

    def run(self) -> Schedule:
        before = None
        while before != self.smallest and self.plays < MOST_PLAYS:
            before = self.smallest
            # What people did is known from the events too, and the fewer there are, the less they did.
            self._try(attrs.evolve(self.smallest, acts=()))
            if not self.smallest.acts:
                self._reduce(self.smallest.users, self._with_users)
                self._reduce(self.smallest.events, self._with_events)
            self._reduce(self.smallest.steps, self._with_steps)
            self._simplify()
        self._forget_unused()
        return self.smallest

    def _reduce(self, parts: Sequence[Part], made: Callable[[Sequence[Part]], Schedule]) -> None:
        """Leave out what can be: halves first, then ever smaller chunks, last each alone."""
        size = len(parts)
        while size >= 1 and self.plays < MOST_PLAYS:
            start = 0
            while start < len(parts):
                rest = [*parts[:start], *parts[start + size :]]
                if self._try(made(rest)):
                    parts = rest
                else:
                    start += size
            size //= 2

    def _with_users(self, users: Sequence[schedules.User]) -> Schedule:
        gone = {user.id for user in self.smallest.users} - {user.id for user in users}
        events = [event for event in self.smallest.events if not any(user in event.body for user in gone)]
        return attrs.evolve(_restricted(self.smallest, events=events, gone=gone), users=tuple(users))

    def _with_events(self, events: Sequence[Event]) -> Schedule:
        return _restricted(self.smallest, events=events)

    def _with_steps(self, steps: Sequence[Step]) -> Schedule:
        return attrs.evolve(self.smallest, steps=_whole(steps))

    def _simplify(self) -> None:
        """Say the same in fewer words: whole tasks where no step matters, one process, answers that are heard."""
        for task in [step.task for step in self.smallest.steps if hasattr(step, "on") and hasattr(step, "task")]:
            steps = self.smallest.steps
            places = [at for at, step in enumerate(steps) if isinstance(step, Advance) and step.task == task]
            if places and all(steps[at] == Advance(task=task) for at in places):
                for kept in (places[0], places[-1]):
                    merged = [
                        Finish(task=task) if at == kept else step
                        for at, step in enumerate(steps)
                        if at == kept or at not in places
                    ]
                    if len(merged) < len(steps) and self._try(self._with_steps(merged)):
                        break
        for place, step in enumerate(self.smallest.steps):
            simpler: list[Step] = []
            if isinstance(step, Deliver):
                simpler += [attrs.evolve(step, answer="heard"), attrs.evolve(step, signature="good")]
            if hasattr(step, "on"):
                simpler.append(attrs.evolve(step, on=self.smallest.processes[0]))  # type: ignore[arg-type] # it has
            if isinstance(step, Wait):
                simpler += [Wait(seconds=seconds) for seconds in (1, 60, 3600, 86400) if seconds < step.seconds]
            for one in simpler:
                changed = list(self.smallest.steps)
                changed[place] = one
                if one != step and self._try(self._with_steps(changed)):
                    break

    def _forget_unused(self) -> None:
        """Leave out who takes no part."""
        schedule = self.smallest
        named = {step.on for step in schedule.steps if hasattr(step, "on")}
        processes = tuple(one for one in schedule.processes if one in named) or schedule.processes[:1]
        self._try(attrs.evolve(schedule, processes=processes), is_smaller=True)
        bodies = " ".join(event.body for event in self.smallest.events)
        plans = tuple(plan for plan in schedule.plans if f'"{plan["id"]}"' in bodies)
        self._try(attrs.evolve(self.smallest, plans=plans or schedule.plans), is_smaller=True)
        self._try(_without_unasked(self.smallest), is_smaller=True)

    def _try(self, candidate: Schedule, *, is_smaller: bool = False) -> bool:
        """Whether a candidate fails in the same way; if it does, it is the smallest from now on."""
        if candidate == self.smallest and not is_smaller:
            return False
        if self.plays >= MOST_PLAYS or self._play(candidate) is not self.checker:
            return False
        self.smallest = candidate
        self.watch(self.plays, candidate)
        return True

    def _play(self, schedule: Schedule) -> Checker | None:
        self.plays += 1
        complaints = ScheduleRunner(schedule, self.under_test).play()
        return complaints[0].checker if complaints else None


def _restricted(
    schedule: Schedule,
    *,
    events: Sequence[Event],
    gone: set[str] = frozenset(),  # type: ignore[assignment]
) -> Schedule:
    """The schedule with these events only, and without the steps that name others, or users who are gone."""
    kept = {event.id for event in events}
    steps = [
        step
        for step in schedule.steps
        if getattr(step, "event", None) in {None, *kept} and _whom(schedule, step) not in gone
    ]
    return attrs.evolve(schedule, events=tuple(events), steps=_whole(steps))


def _without_unasked(schedule: Schedule) -> Schedule:
    """The schedule without the uses that no step asks for."""
    asked = sorted({step.use for step in schedule.steps if isinstance(step, schedules.Ask)})
    steps = [
        attrs.evolve(step, use=asked.index(step.use)) if isinstance(step, schedules.Ask) else step
        for step in schedule.steps
    ]
    return attrs.evolve(schedule, uses=tuple(schedule.uses[place] for place in asked), steps=tuple(steps))


def _whom(schedule: Schedule, step: Step) -> str | None:
    """The customer whom a step is about, where it names one."""
    if isinstance(step, schedules.Ask):
        return str(schedule.uses[step.use]["customer"])
    return getattr(step, "user", None)


def _whole(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without those of tasks that never begin."""
    begun: set[str] = set()
    whole = []
    for step in steps:
        task = getattr(step, "task", None)
        if hasattr(step, "on") and task is not None:
            begun.add(task)
        if task is None or task in begun:
            whole.append(step)
    return tuple(whole)
