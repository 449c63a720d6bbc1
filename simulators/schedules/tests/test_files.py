"""Schedules as files: complete, the same byte for byte, and refused with a reason that helps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from simulators.schedules.files import UnreadableSchedule, dumped, load, parsed, save
from simulators.schedules.steps import (
    STEPS,
    Advance,
    Ask,
    Break,
    Crash,
    Deliver,
    Event,
    Finish,
    Flush,
    Mend,
    Read,
    Rewind,
    Schedule,
    SignUp,
    User,
    Wait,
    Work,
)

ADA = "11111111-1111-4111-8111-111111111111"
BODY = json.dumps({"id": "evt_1", "type": "charge.refunded", "created": 1767225600, "note": "Zoë\n\u2028"})

EVERYTHING = Schedule(
    title="Every kind of step",
    seed="0xc0ffee",
    bug="acknowledges_early",
    starts_at=1767225600,
    processes=("a", "b"),
    users=(User(id=ADA, email="ada@example.test", name="Ada", joins_later=True),),
    plans=({"id": "starter", "credits": 50, "price": 500, "currency": "usd", "mode": "payment"},),
    events=(Event(body=BODY),),
    acts=({"act": "Refunded", "amount": 250},),
    uses=(
        {
            "act": "spend",
            "customer": ADA,
            "key": "a portrait",
            "credits": 30,
            "hold": None,
            "lasts": 86_400,
            "plan": None,
        },
    ),
    payments=({"links": ["payment_intent:pi_1"], "ours": True},),
    steps=(
        SignUp(user=ADA),
        Deliver(task="d1", on="a", event="evt_1", signature="forged", answer="lost"),
        Work(task="w1", on="b", job="outbox"),
        Read(task="r1", on="a", user=ADA),
        Ask(task="u1", on="b", use=0),
        Advance(task="d1"),
        Advance(task="d1", error="after"),
        Break(port="cache"),
        Finish(task="d1"),
        Crash(on="b"),
        Mend(port="cache"),
        Flush(),
        Rewind(writes=2),
        Wait(seconds=86400),
    ),
    complaints=("Ada has 25 credits, and should have 50",),
)


def test_every_step_survives_the_file(tmp_path: Path) -> None:
    """What is read is what was written, for each kind of step there is."""
    save(EVERYTHING, tmp_path / "new" / "all.json")
    assert EVERYTHING == load(tmp_path / "new" / "all.json")
    assert set(STEPS.values()) == {type(step) for step in EVERYTHING.steps}


def test_the_same_schedule_is_the_same_bytes() -> None:
    """Reading and writing again changes no byte, and what a body says is kept to the letter."""
    text = dumped(EVERYTHING)
    assert text == dumped(parsed(text))
    assert BODY == parsed(text).events[0].body
    assert '  {"do": "advance", "task": "d1", "error": "after"}' in text


def test_an_event_is_known_by_its_body() -> None:
    """Its id, type, version and time are those that are signed."""
    event = Event(body=BODY)
    assert ("evt_1", "charge.refunded", "None", 1767225600) == (event.id, event.type, event.api_version, event.created)


def change(path: list[str | int], value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one member of the file."""

    def do(fields: dict[str, Any]) -> None:
        inner: Any = fields
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return do


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (change(["format"], "credence-schedule/2"), "format: must be 'credence-schedule/1', not 'credence-schedule/2'"),
        (change(["extra"], 1), "the file: has unknown members: extra"),
        (change(["title"], None), "title: must be a text, not None"),
        (change(["starts_at"], True), "starts_at: must be a whole number, not True"),
        (change(["processes"], []), "processes: must name at least one"),
        (change(["users"], {}), "users: must be a list"),
        (change(["users", 0], "ada"), "users[0]: must be an object"),
        (change(["users", 0, "joins_later"], "yes"), "users[0].joins_later: must be true or false, not 'yes'"),
        (change(["plans", 0, "credits"], "50"), "plans[0].credits: must be a whole number"),
        (change(["acts", 0], {}), "acts[0].act: must be a text"),
        (change(["events", 0, "body"], "{"), "events[0].body: not JSON; it must be the exact text that Stripe sends"),
        (change(["events", 0, "body"], "{}"), "events[0].body: lacks the event's id"),
        (change(["steps", 0], {"do": "delver"}), "steps[0]: \"do\" is 'delver'; it must be one of deliver, work, "),
        (change(["steps", 0], {"do": ["x"]}), "steps[0]: \"do\" is ['x']; it must be one of"),
        (change(["steps", 0], {"do": "wait"}), "steps[0] (wait): lacks 'seconds'"),
        (change(["steps", 0], {"do": "wait", "seconds": 0}), "steps[0] (wait).seconds: must be at least 1"),
        (change(["steps", 0], {"do": "wait", "seconds": 10**9}), "steps[0].seconds: must be at most 31622400, a year"),
        (change(["steps", 0], {"do": "flush", "port": "cache"}), "steps[0] (flush): has unknown members: port"),
        (change(["steps", 1, "signature"], "ok"), "steps[1] (deliver).signature: is 'ok'; it must be one of ('good',"),
        (change(["steps", 1, "event"], "evt_2"), "steps[1] (deliver): event is 'evt_2', and there is no such event"),
        (change(["steps", 1, "on"], "c"), "steps[1] (deliver): on is 'c', and there is no such process"),
        (change(["steps", 2, "task"], "d1"), "steps[2] (work): begins task 'd1' a second time"),
        (change(["steps", 4, "use"], 1), "steps[4] (ask): use is 1, and there is no such use"),
        (
            change(["steps", 5, "task"], "d9"),
            "steps[5] (advance): task is 'd9', and there is no such task that an earlier step began",
        ),
    ],
)
def test_a_broken_file_is_refused_by_its_place(spoil: Callable[[dict[str, Any]], None], problem: str) -> None:
    """The refusal says where it is broken, and what should be there."""
    answer = json.loads(dumped(EVERYTHING))
    spoil(answer)
    with pytest.raises(UnreadableSchedule) as refused:
        parsed(json.dumps(answer))
    assert str(refused.value).startswith(problem)


def test_an_event_stands_once() -> None:
    """Two events of one id would make deliveries ambiguous."""
    with pytest.raises(UnreadableSchedule, match="events: has 'evt_1' more than once"):
        parsed(dumped(attrs.evolve(EVERYTHING, events=EVERYTHING.events * 2)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON (line 1: Expecting value)"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the file: must be one JSON object"),
        (b"{}", "format: must be 'credence-schedule/1', not None"),
        (b"\xff\xfe", "not UTF-8 text; a schedule is a JSON file"),
        (None, "no such file."),
    ],
)
def test_what_is_no_schedule_is_refused_by_name(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """Whatever the file holds, the refusal names the file."""
    path = tmp_path / "some.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableSchedule) as refused:
        load(path)
    assert str(refused.value).startswith(f"Cannot read schedule {path}: {problem}")
