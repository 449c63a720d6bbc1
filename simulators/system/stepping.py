"""Drives coroutines without an event loop, one call of a port at a time.

A use case awaits nothing but ports. If its ports are :class:`SteppedPort`, each await hands the call to the driver,
which decides: perform it, let it fail before or after it takes effect, let another task go first, or let the process
die. Between two calls a use case touches nothing that others can see, so a pause before each call (and one before the
answer is given) is a pause at every await.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from typing import Any

import attrs

MAX_LAST_WORDS = 100
"""Calls that a dying task may still try to make; none of them is performed."""


class ProcessDied(BaseException):
    """Thrown into a task when its process dies: what it awaits from then on has no effect."""


@attrs.frozen
class Call:
    """A call of a port's method, which a task awaits. Its name is a pause point, such as `ledger.commit`."""

    port: str
    method: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    of_iterator: bool = False
    """Whether it is an asynchronous iterator's: all its items are taken at once, and handed out one by one."""

    @property
    def name(self) -> str:
        """Return the pause point."""
        return f"{self.port}.{self.method}"


@attrs.frozen
class NextItem:
    """A pause before an iterator hands out its next item; there is nothing to perform."""

    port: str
    method: str

    @property
    def name(self) -> str:
        """Return the pause point."""
        return f"{self.port}.{self.method}.next"


Pause = Call | NextItem


class _Pending:
    """The result of a stepped port's method, to be awaited or iterated over."""

    def __init__(self, port: str, method: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        self._called = port, method, arguments, tuple(sorted(keywords.items()))

    def __await__(self) -> Generator[Pause, Any, Any]:
        return (yield Call(*self._called))

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in await _Paused(Call(*self._called, of_iterator=True)):
            await _Paused(NextItem(*self._called[:2]))
            yield item


@attrs.frozen
class _Paused:
    pause: Pause

    def __await__(self) -> Generator[Pause, Any, Any]:
        return (yield self.pause)


class SteppedPort:
    """Stands for any port: whatever method is called, the call goes to the driver."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., _Pending]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments, **keywords: _Pending(self._name, method, arguments, keywords)


def perform(ports: Mapping[str, Any], call: Call) -> Any:
    """Do what is called for, in one indivisible step.

    :raises RuntimeError: if the port awaits something itself, which a port in memory must not.
    """
    made = getattr(ports[call.port], call.method)(*call.arguments, **dict(call.keywords))
    work = _drained(made) if call.of_iterator else made
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError(f"{call.name} awaits something, so it is no indivisible step")


async def _drained(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@attrs.frozen
class Returned:
    """The task came to its end."""

    value: Any


@attrs.frozen
class Raised:
    """The task ended by an error."""

    error: BaseException


class Task:
    """One coroutine under way: what it waits for, or how it ended."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.pause: Pause | None = None
        self.outcome: Returned | Raised | None = None
        self._go(lambda: coroutine.send(None))

    def answer(self, value: Any = None) -> None:
        """Let what it waits for have given this."""
        self._go(lambda: self._coroutine.send(value))

    def fail(self, error: BaseException) -> None:
        """Let what it waits for have raised this."""
        self._go(lambda: self._coroutine.throw(error))

    def step(self, ports: Mapping[str, Any]) -> None:
        """Perform what it waits for, and let it have the result or the error."""
        if not isinstance(self.pause, Call):
            self.answer()
            return
        try:
            value = perform(ports, self.pause)
        except Exception as error:  # noqa: BLE001 - whatever the port raises is the task's to handle
            self.fail(error)
            return
        self.answer(value)

    def die(self) -> None:
        """Let its process die: whatever it still tries has no effect."""
        for _ in range(MAX_LAST_WORDS):
            if self.outcome is not None:
                break
            self.fail(ProcessDied())
        self.pause, self.outcome = None, Raised(ProcessDied())

    def finish(self, ports: Mapping[str, Any], *, at_most: int = 100_000) -> Returned | Raised:
        """Go on to the end, undisturbed.

        :raises RuntimeError: if that takes more steps than are allowed.
        """
        for _ in range(at_most):
            if self.outcome is not None:
                return self.outcome
            self.step(ports)
        raise RuntimeError(f"not at an end after {at_most} steps")

    def _go(self, resume: Callable[[], Pause]) -> None:
        if self.outcome is not None:
            raise RuntimeError("the task has ended")
        try:
            self.pause = resume()
        except StopIteration as done:
            self.pause, self.outcome = None, Returned(done.value)
        except BaseException as error:  # noqa: BLE001 - how it ended is for the driver to judge
            self.pause, self.outcome = None, Raised(error)
