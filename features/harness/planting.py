"""Planting a bug: a function or a value of the real code is another one, but only while the world with the bug runs."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs

Change = Callable[[Any], Any]
"""Gives what stands in the original's place."""


@attrs.frozen
class Patch:
    """One name that means something else."""

    holder: Any
    name: str
    change: Change


@contextlib.contextmanager
def planted(patches: tuple[Patch, ...]) -> Iterator[None]:
    """Let the names mean something else, for as long as this lasts."""
    before = [(patch.holder, patch.name, vars(patch.holder)[patch.name]) for patch in patches]
    try:
        for patch, (_, _, original) in zip(patches, before, strict=True):
            setattr(patch.holder, patch.name, patch.change(original))
        yield
    finally:
        for holder, name, original in before:
            setattr(holder, name, original)


class PlantedCoroutine:
    """A coroutine that runs with a bug: each of its steps, and nothing between them."""

    def __init__(self, begin: Callable[[], Any], patches: tuple[Patch, ...]) -> None:
        self._patches = patches
        with planted(patches):
            self._coroutine = begin()

    def send(self, value: Any) -> Any:
        """Go on with an answer."""
        with planted(self._patches):
            return self._coroutine.send(value)

    def throw(self, error: BaseException) -> Any:
        """Go on with an error."""
        with planted(self._patches):
            return self._coroutine.throw(error)
