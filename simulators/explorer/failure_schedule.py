"""Choices of the exhaustive explorer, written down as a schedule that can be replayed, shrunk and drawn."""

from collections.abc import Mapping, Sequence

import attrs

from simulators.explorer.cases import PLANS, SECRET
from simulators.explorer.exhaustive import Failure
from simulators.explorer.successors import Choice
from simulators.schedules import steps as schedules
from simulators.schedules.steps import Schedule, Step
from simulators.stories.acts import act_as_json

PROCESSES = ("a", "b")
_ERRORS: Mapping[str, str | None] = {"go": None, "unheard": None, "before": "before", "after": "after"}


@attrs.define
class _Flying:
    name: str
    process: str
    standing: int
    begun_at: int
    """The place of the step that began it."""


def schedule_of(failure: Failure, *, bug: str | None = None) -> Schedule:
    """Return the schedule that led to a complaint; each task runs in a process of its own."""
    setting = failure.setting
    customer = schedules.User(
        id=setting.customer.user_id,
        email=setting.customer.email,
        name=setting.customer.email.partition("@")[0],
        joins_later=setting.joins_later,
    )
    return Schedule(
        title=f"{setting.name}, with {setting.more}",
        bug=bug,
        secret=SECRET,
        starts_at=setting.now,
        processes=PROCESSES,
        users=(customer,),
        plans=tuple(attrs.asdict(plan) for plan in PLANS),
        events=setting.events,
        acts=tuple(map(act_as_json, setting.acts)),
        uses=tuple(map(attrs.asdict, setting.uses)),
        payments=setting.payments,
        prices=setting.prices,
        steps=tuple(_steps(failure, failure.choices)),
        complaints=tuple(map(str, failure.complaints)),
    )


def _steps(failure: Failure, choices: Sequence[Choice]) -> list[Step]:
    steps: list[Step] = []
    flying: list[_Flying] = []
    for number, choice in enumerate(choices):
        if choice.what == "join":
            steps.append(schedules.SignUp(user=failure.setting.customer.user_id))
            continue
        if choice.what == "die both":
            steps += [schedules.Crash(on=task.process) for task in flying]
            flying.clear()
            continue
        if choice.begins:
            process = next(name for name in PROCESSES if name not in {task.process for task in flying})
            flying.append(_Flying(f"t{number}", process, choice.task, len(steps)))
            steps.append(_begun(failure, choice.job, f"t{number}", process))
        task = next(task for task in reversed(flying) if task.standing == choice.task)
        if choice.what == "unheard":
            begun = steps[task.begun_at]
            assert isinstance(begun, schedules.Deliver)  # noqa: S101 - only deliveries are answered
            steps[task.begun_at] = attrs.evolve(begun, answer="lost")
        if choice.what == "die":
            steps.append(schedules.Crash(on=task.process))
        else:
            steps.append(schedules.Advance(task=task.name, error=_ERRORS[choice.what]))
        if choice.becomes is None:
            flying.remove(task)
        else:
            task.standing = choice.becomes
    return steps


def _begun(failure: Failure, job: int, name: str, process: str) -> Step:
    setting = failure.setting
    if job < len(setting.events):
        return schedules.Deliver(task=name, on=process, event=setting.events[job].id)
    if job == setting.reader:
        return schedules.Read(task=name, on=process, user=setting.customer.user_id)
    asked = job - setting.reader - 2
    if 0 <= asked < len(setting.uses):
        return schedules.Ask(task=name, on=process, use=asked)
    return schedules.Work(task=name, on=process, job=setting.worker if asked < 0 else "expire")
