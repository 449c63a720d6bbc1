"""Computes what each call does to each world, and how each task goes on with the answer: once, then looks it up.

Worlds, calls, answers and tasks are known by numbers. A task is given by its job and the answers that it got. To bring
it to its position, its job is begun anew and given those answers; the real code runs each time.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import attrs

from simulators.system.states import state_of
from simulators.system.stepping import Call, Pause, Raised, Returned, Task
from simulators.system.system import Job, World


@attrs.frozen
class Answer:
    """The value that a call returned, or the error that it raised."""

    value: Any = None
    error: Exception | None = None


@attrs.frozen(kw_only=True)
class Standing:
    """The position of a task: what it awaits next, or how it ended."""

    job: int
    answers: tuple[int, ...]
    awaits: int | None
    outcome: Returned | Raised | None
    is_disturbed: bool
    """Whether a port failed it."""


class Transitions:
    """All that can happen, as far as anybody asked, from one world on."""

    def __init__(self, world: World, jobs: Sequence[Job]) -> None:
        self.jobs = tuple(jobs)
        self.worlds: list[World] = []
        self.standings: list[Standing] = []
        self.pauses: list[Pause] = []
        self.answers: list[Answer] = []
        self._worlds: dict[Hashable, int] = {}
        self._pauses: dict[Hashable, int] = {}
        self._answers: dict[Hashable, int] = {}
        self._begun: dict[int, int] = {}
        self._advanced: dict[tuple[int, int], int] = {}
        self._performed: dict[tuple[int, int], tuple[int, int]] = {}
        self._failed: dict[int, int | None] = {}
        self._commuting: dict[tuple[int, bool], bool] = {}
        self.first = self.keep(world)

    def keep(self, world: World) -> int:
        """Return the number of a world: that of an equal one, if there is one."""
        return _numbered(self._worlds, self.worlds, world.state(), world)

    def begin(self, job: int) -> int:
        """Return a task that does a job, before its first call."""
        if job not in self._begun:
            self._begun[job] = self._stand(job, ())
        return self._begun[job]

    def perform(self, world: int, pause: int) -> tuple[int, int]:
        """Return the world after a call, and its answer."""
        known = self._performed.get((world, pause))
        if known is None:
            fork = self.worlds[world].fork()
            try:
                answer = Answer(fork.perform(self.pauses[pause]))
            except Exception as error:  # noqa: BLE001 - whatever a port raises is the task's to handle
                answer = Answer(error=error)
            known = self._performed[world, pause] = self.keep(fork), self._number(answer)
        return known

    def failure(self, pause: int) -> int | None:
        """Return the answer of a port that is away; None where it can't be."""
        if pause not in self._failed:
            error = self.worlds[self.first].fault(self.pauses[pause])
            self._failed[pause] = None if error is None else self._number(Answer(error=error))
        return self._failed[pause]

    def commutes(self, pause: int, *, is_read: bool) -> bool:
        """Return whether a call may come before or after any other, to the same effect."""
        key = pause, is_read
        if key not in self._commuting:
            self._commuting[key] = self.worlds[self.first].commutes(self.pauses[pause], is_read=is_read)
        return self._commuting[key]

    def advance(self, standing: int, answer: int) -> int:
        """Return where a task stands once it got an answer."""
        known = self._advanced.get((standing, answer))
        if known is None:
            before = self.standings[standing]
            known = self._advanced[standing, answer] = self._stand(before.job, (*before.answers, answer))
        return known

    def _stand(self, job: int, answers: tuple[int, ...]) -> int:
        task = Task(self.worlds[self.first].begin(self.jobs[job]))
        for number in answers:
            answer = self.answers[number]
            if answer.error is not None:
                task.fail(answer.error)
            else:
                task.answer(answer.value)
        standing = Standing(
            job=job,
            answers=answers,
            awaits=None if task.pause is None else self._pause(task.pause),
            outcome=task.outcome,
            is_disturbed=any(self.answers[number].error is not None for number in answers),
        )
        if task.outcome is None:
            task.die()
        self.standings.append(standing)
        return len(self.standings) - 1

    def _pause(self, pause: Pause) -> int:
        given = (pause.arguments, pause.keywords, pause.of_iterator) if isinstance(pause, Call) else None
        return _numbered(self._pauses, self.pauses, (pause.name, state_of(given, {})), pause)

    def _number(self, answer: Answer) -> int:
        given = state_of(answer.value, {}) if answer.error is None else (repr(answer.error),)
        return _numbered(self._answers, self.answers, (answer.error is None, given), answer)


def _numbered(numbers: dict[Hashable, int], kept: list[Any], key: Hashable, value: Any) -> int:
    number = numbers.get(key)
    if number is None:
        number = numbers[key] = len(kept)
        kept.append(value)
    return number
