"""Schedules as files: JSON that is the same for the same schedule, byte for byte, and that a person can edit."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from simulators.schedules.steps import FORMAT, NAMES, STEPS, Ask, Schedule, Step, User
from simulators.stories.credit_operations import Use
from simulators.stories.events import Event

Made = TypeVar("Made")

MAX_BYTES = 64 * 1024 * 1024
MAX_STEPS = 1_000_000
MAX_WAIT_SECONDS = 366 * 24 * 3600

_PLAN = {"id": str, "credits": int, "price": int, "currency": str, "mode": str}


@attrs.frozen
class UnreadableSchedule(Exception):
    """A file that holds no schedule, or a broken one; `problem` says where, and what should be there."""

    problem: str

    def __str__(self) -> str:
        return self.problem


def dumped(schedule: Schedule) -> str:
    """Return the file's text: one line for each member of a list."""
    given = {
        "format": FORMAT,
        **{field.name: getattr(schedule, field.name) for field in attrs.fields(Schedule)},
        "users": [attrs.asdict(user) for user in schedule.users],
        "events": [{"body": event.body} for event in schedule.events],
        "steps": [dumped_step(step) for step in schedule.steps],
    }
    return "{\n" + ",\n".join(f"{_line(name)}: {_member(value)}" for name, value in given.items()) + "\n}\n"


def dumped_step(step: Step) -> dict[str, Any]:
    """Return a step as it stands in a file; what is left out is as it is by default."""
    options = {
        field.name: getattr(step, field.name)
        for field in attrs.fields(type(step))
        if getattr(step, field.name) != field.default
    }
    return {"do": NAMES[type(step)], **options}


def save(schedule: Schedule, path: Path) -> None:
    """Write a schedule.

    :raises OSError: if it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumped(schedule), encoding="utf-8")


def load(path: Path) -> Schedule:
    """Read a schedule.

    :raises UnreadableSchedule: if it can't be read, or is none.
    """
    try:
        _expect(path.stat().st_size <= MAX_BYTES, "the file", f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
        return parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
    except UnicodeDecodeError:
        problem = "not UTF-8 text; a schedule is a JSON file"
    except UnreadableSchedule as unreadable:
        problem = unreadable.problem
    raise UnreadableSchedule(f"Cannot read schedule {path}: {problem}.")


def parsed(text: str) -> Schedule:
    """Return the schedule that a text holds.

    :raises UnreadableSchedule: if it is none.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise UnreadableSchedule(f"not JSON ({place})") from None
    _expect(isinstance(answer, dict), "the file", "must be one JSON object")
    _expect(answer.get("format") == FORMAT, "format", f"must be {FORMAT!r}, not {answer.get('format')!r}")
    known = {field.name for field in attrs.fields(Schedule)} | {"format"}
    _expect(not answer.keys() - known, "the file", f"has unknown members: {', '.join(sorted(answer.keys() - known))}")
    schedule = Schedule(
        title=_of(answer, "title", str),
        seed=_of(answer, "seed", str, None),
        bug=_of(answer, "bug", str, None),
        secret=_of(answer, "secret", str, attrs.fields(Schedule).secret.default),
        starts_at=_of(answer, "starts_at", int),
        processes=tuple(_texts(answer, "processes")),
        users=tuple(_user(place, one) for place, one in _objects(answer, "users")),
        plans=tuple(_plan(place, one) for place, one in _objects(answer, "plans")),
        events=tuple(_event(place, one) for place, one in _objects(answer, "events")),
        acts=tuple(_act(place, one) for place, one in _objects(answer, "acts")),
        uses=tuple(_use(place, one) for place, one in _objects(answer, "uses")),
        payments=tuple(one for _, one in _objects(answer, "payments")),
        prices=tuple(one for _, one in _objects(answer, "prices")),
        steps=tuple(_step(place, one) for place, one in _objects(answer, "steps")),
        complaints=tuple(_texts(answer, "complaints")),
    )
    check(schedule)
    return schedule


def check(schedule: Schedule) -> None:
    """See that the steps name only what is there.

    :raises UnreadableSchedule: if they don't.
    """
    _expect_single("events", [event.id for event in schedule.events])
    _expect_single("users", [user.id for user in schedule.users])
    _expect(bool(schedule.processes), "processes", "must name at least one")
    _expect(len(schedule.steps) <= MAX_STEPS, "steps", f"must be at most {MAX_STEPS}")
    known: dict[str, set[str]] = {
        "event": {event.id for event in schedule.events},
        "user": {user.id for user in schedule.users},
        "on": set(schedule.processes),
        "task": set(),
    }
    wanted = {"event": "event", "user": "user", "on": "process", "task": "task that an earlier step began"}
    for place, step in enumerate(schedule.steps):
        at = f"steps[{place}] ({NAMES[type(step)]})"
        begins = hasattr(step, "on") and hasattr(step, "task")
        for name, ids in known.items():
            given = getattr(step, name, None)
            if given is None:
                continue
            if name == "task" and begins:
                _expect(given not in ids, at, f"begins task {given!r} a second time")
                ids.add(given)
            _expect(given in ids, at, f"{name} is {given!r}, and there is no such {wanted[name]}")
        if isinstance(step, Ask):
            _expect(0 <= step.use < len(schedule.uses), at, f"use is {step.use}, and there is no such use")


def _expect_single(kind: str, ids: Sequence[str]) -> None:
    twice = [one for one, times in Counter(ids).items() if times > 1]
    _expect(not twice, kind, f"has {', '.join(map(repr, twice))} more than once")


def _user(place: str, fields: Mapping[str, Any]) -> User:
    return _made(User, place, fields)


def _event(place: str, fields: Mapping[str, Any]) -> Event:
    event = _made(Event, place, fields)
    try:
        whole = json.loads(event.body)
    except (ValueError, RecursionError):
        raise UnreadableSchedule(f"{place}.body: not JSON; it must be the exact text that Stripe sends") from None
    _expect(isinstance(whole, dict), f"{place}.body", "must be an object")
    for name, kind in (("id", str), ("type", str), ("created", int)):
        _expect(type(whole.get(name)) is kind, f"{place}.body", f"lacks the event's {name}")
    return event


def _plan(place: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, kind in _PLAN.items():
        _expect(type(fields.get(name)) is kind, f"{place}.{name}", f"must be {_KINDS[kind]}")
    return fields


def _act(place: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    _expect(isinstance(fields.get("act"), str), f"{place}.act", "must be a text")
    return fields


def _use(place: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return attrs.asdict(_made(Use, place, fields))


def _step(place: str, fields: Mapping[str, Any]) -> Step:
    name = fields.get("do")
    _expect(isinstance(name, str) and name in STEPS, place, f'"do" is {name!r}; it must be one of {", ".join(STEPS)}')
    step = _made(STEPS[str(name)], f"{place} ({name})", {key: value for key, value in fields.items() if key != "do"})
    seconds = getattr(step, "seconds", 0)
    _expect(seconds <= MAX_WAIT_SECONDS, f"{place}.seconds", f"must be at most {MAX_WAIT_SECONDS}, a year")
    return step


def _made(kind: type[Made], place: str, options: Mapping[str, Any]) -> Made:
    """Return a value of an attrs class, by its fields' types and what their metadata allow."""
    fields: dict[str, Any] = {field.name: field for field in attrs.fields(kind)}  # type: ignore[arg-type] # all are attrs
    unknown = sorted(options.keys() - fields.keys())
    _expect(not unknown, place, f"has unknown members: {', '.join(unknown)}")
    for name, field in fields.items():
        if name not in options:
            _expect(field.default is not attrs.NOTHING, place, f"lacks {name!r}")
            continue
        value, among, least = options[name], field.metadata.get("among"), field.metadata.get("least")
        allowed = field.type if isinstance(field.type, type) else (str, type(None))
        is_right = type(value) is allowed if isinstance(allowed, type) else isinstance(value, allowed)
        _expect(is_right, f"{place}.{name}", f"must be {_KINDS.get(allowed, 'a text or null')}, not {value!r}")
        _expect(among is None or value in among, f"{place}.{name}", f"is {value!r}; it must be one of {among}")
        _expect(least is None or value >= least, f"{place}.{name}", f"must be at least {least}")
    return kind(**options)


_KINDS: Mapping[Any, str] = {str: "a text", int: "a whole number", bool: "true or false"}
_REQUIRED = object()


def _of(fields: Mapping[str, Any], name: str, kind: type, default: Any = _REQUIRED) -> Any:
    value = fields.get(name)
    if value is None and default is not _REQUIRED:
        return default
    _expect(type(value) is kind, name, f"must be {_KINDS[kind]}, not {value!r}")
    return value


def _objects(fields: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    members = fields.get(name, [])
    _expect(isinstance(members, list), name, "must be a list")
    for place, one in enumerate(members):
        _expect(isinstance(one, dict), f"{name}[{place}]", "must be an object")
        yield f"{name}[{place}]", one


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    members = fields.get(name, [])
    _expect(isinstance(members, list) and all(isinstance(one, str) for one in members), name, "must be a list of texts")
    return list(members)


def _expect(holds: bool, place: str, problem: str) -> None:
    if not holds:
        raise UnreadableSchedule(f"{place}: {problem}")


def _line(value: Any) -> str:
    return json.dumps(value)


def _member(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[\n" + ",\n".join(f"  {_line(one)}" for one in value) + "\n]" if value else "[]"
    return _line(value)
