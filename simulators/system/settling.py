"""Let a world come to rest: workers work, time passes, until nothing is left that could still happen."""

from collections.abc import Sequence

from simulators.system.stepping import Raised, Task
from simulators.system.system import Job, Work, World

JOBS = ("inbox", "outbox", "cache")
"""Not `expire`: what a period's end takes is no part of what the customers' acts are worth."""

LEASE_SECONDS = 150
"""Longer than a process has a charge of a saved card for itself."""
PAUSE_SECONDS = 3600
"""Longer than any lease or backoff of the service."""
MAX_ROUNDS = 12


def do(world: World, job: Job) -> object:
    """Do a job from its beginning to its end, undisturbed; gives what it gave.

    :raises Exception: what the job raised.
    """
    task = Task(world.begin(job))
    while task.outcome is None:
        assert task.pause is not None  # noqa: S101 - a task without an outcome waits for something
        try:
            value = world.perform(task.pause)
        except Exception as error:  # noqa: BLE001 - whatever the port raises is the task's to handle
            task.fail(error)
        else:
            task.answer(value)
    if isinstance(task.outcome, Raised):
        raise task.outcome.error
    return task.outcome.value


def settle(world: World, *, rounds: int = MAX_ROUNDS, jobs: Sequence[str] = JOBS) -> None:
    """Let workers work until two rounds with a pause between them find nothing due: no claim outlives it.

    What never ends, an event that stays parked, say, is left after so many rounds.
    """
    was_idle = False
    for _ in range(rounds):
        is_idle = sum(int(str(do(world, Work(job)))) for job in jobs) == 0
        if is_idle and was_idle:
            return
        was_idle = is_idle
        world.let_pass(PAUSE_SECONDS)
