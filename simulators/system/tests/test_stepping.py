"""Coroutines driven call by call: whoever drives decides what each await comes to."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulators.system.stepping import Call, NextItem, Raised, Returned, SteppedPort, Task, perform


class Away(Exception):
    """The shelf can't be reached."""


class Shelf:
    """A port in memory."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def put(self, thing: str, *, twice: bool = False) -> int:
        self.kept += [thing] * (2 if twice else 1)
        return len(self.kept)

    async def things(self) -> AsyncIterator[str]:
        for thing in self.kept:
            yield thing

    async def restless(self) -> None:
        await SteppedPort("other").anything()


async def work(shelf: Any, log: list[object]) -> str:
    """Put two things, whatever happens; say how it went."""
    try:
        log.append(await shelf.put("a"))
    except Away:
        log.append("away")
    finally:
        log.append(await shelf.put("b", twice=True))
    return "done"


def begun() -> tuple[Task, list[object], dict[str, Any]]:
    log: list[object] = []
    return Task(work(SteppedPort("shelf"), log)), log, {"shelf": Shelf()}


def test_a_task_waits_before_each_call() -> None:
    """Nothing happens to the world until the driver performs it."""
    task, log, ports = begun()
    assert Call("shelf", "put", ("a",)) == task.pause
    assert [] == ports["shelf"].kept
    task.step(ports)
    assert (["a"], [1]) == (ports["shelf"].kept, log)
    assert Call("shelf", "put", ("b",), (("twice", True),)) == task.pause
    assert "shelf.put" == task.pause.name
    task.step(ports)
    assert Returned("done") == task.outcome
    assert ["a", "b", "b"] == ports["shelf"].kept


def test_a_call_may_fail_before_it_took_effect() -> None:
    """The port did nothing, and the task hears of an error."""
    task, log, ports = begun()
    task.fail(Away())
    assert Returned("done") == task.finish(ports)
    assert (["b", "b"], ["away", 2]) == (ports["shelf"].kept, log)


def test_a_call_may_fail_after_it_took_effect() -> None:
    """The acknowledgement is lost: the task can't tell it from the case before."""
    task, log, ports = begun()
    assert isinstance(task.pause, Call)
    perform(ports, task.pause)
    task.fail(Away())
    assert Returned("done") == task.finish(ports)
    assert (["a", "b", "b"], ["away", 3]) == (ports["shelf"].kept, log)


def test_a_process_that_dies_does_nothing_more() -> None:
    """Not even what its `finally` would do."""
    task, log, ports = begun()
    task.step(ports)
    task.die()
    assert isinstance(task.outcome, Raised)
    assert (["a"], [1]) == (ports["shelf"].kept, log)


def test_a_task_that_clings_to_life_dies_all_the_same() -> None:
    """What it tries after that is not performed, and how it ends is of no account."""

    async def stubborn(shelf: Any) -> str:
        for _ in range(5):
            with contextlib.suppress(BaseException):
                await shelf.put("a")
        return "alive"

    task = Task(stubborn(SteppedPort("shelf")))
    task.die()
    assert isinstance(task.outcome, Raised)
    with pytest.raises(RuntimeError, match="has ended"):
        task.answer()


def test_an_iterator_pauses_before_each_item() -> None:
    """Its items are those of one moment."""

    async def read(shelf: Any) -> list[str]:
        return [thing async for thing in shelf.things()]

    shelf = Shelf()
    shelf.kept = ["a", "b"]
    task = Task(read(SteppedPort("shelf")))
    task.step({"shelf": shelf})
    shelf.kept.append("c")
    assert NextItem("shelf", "things") == task.pause
    assert Returned(["a", "b"]) == task.finish({"shelf": shelf})


def test_a_port_that_awaits_is_refused() -> None:
    """Then its method would be no indivisible step, and what is proved would be about something else."""
    with pytest.raises(RuntimeError, match=r"shelf\.restless awaits something"):
        perform({"shelf": Shelf()}, Call("shelf", "restless"))


def test_an_endless_task_is_stopped() -> None:
    """With a word about it."""

    async def endless(shelf: Any) -> None:
        while True:
            await shelf.put("a")

    with pytest.raises(RuntimeError, match="not at an end after 10 steps"):
        Task(endless(SteppedPort("shelf"))).finish({"shelf": Shelf()}, at_most=10)
