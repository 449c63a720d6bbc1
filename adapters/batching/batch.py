"""The requests of one call, each with its answer to come."""

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence, Set
from typing import Generic, TypeVar

import attrs

Request = TypeVar("Request")
Answer = TypeVar("Answer")

PARTS = 8
"""Into how many a call that failed as a whole is split: three rounds find one bad request among five hundred."""


@attrs.define(eq=False)
class Asked(Generic[Request, Answer]):
    """A request with its answer to come."""

    request: Request
    keys: Collection[Hashable]
    weight: int
    answer: asyncio.Future[Answer]


class Batch(list[Request], Generic[Request, Answer]):
    """The requests of one call, with those that join it."""

    def __init__(
        self, asked: list[Asked[Request, Answer]], join: Callable[[], Sequence[Asked[Request, Answer]]]
    ) -> None:
        """Begin with what was asked for; it grows by what `join` gives."""
        super().__init__([one.request for one in asked])
        self._asked = asked
        self._join = join

    def join(self) -> list[Request]:
        """Return what was asked for since under this call's keys alone, oldest first: it has the last places.

        Nothing joins while others wait for a call or are in one, for they may need the same; nor when as many have
        joined as may.
        """
        joined = [one.request for one in self._join()]
        self += joined
        return joined

    def answer(self, place: int, answer: Answer) -> None:
        """Answer a request before the call is over."""
        if not self._asked[place].answer.done():
            self._asked[place].answer.set_result(answer)


def joining_of(
    waiting: Iterable[Asked[Request, Answer]], keys: Collection[Hashable], busy: Set[Hashable], most: int
) -> list[Asked[Request, Answer]]:
    """Return what may join a call of these keys; nothing if others wait for a call, for they may need the same."""
    joining: list[Asked[Request, Answer]] = []
    others: set[Hashable] = set()
    for asked in waiting:
        if len(joining) == most:
            break
        if asked.answer.done():
            continue  # who has gone away is about to withdraw it
        if asked.keys and others.isdisjoint(asked.keys) and all(key in keys for key in asked.keys):
            joining.append(asked)
        elif busy.isdisjoint(asked.keys) and others.isdisjoint(asked.keys):
            return []
        else:
            others.update(asked.keys)
    return joining


def fail(asked: Asked[Request, Answer], error: Exception) -> None:
    """Answer a request by an error, unless it has its answer."""
    if not asked.answer.done():
        asked.answer.set_exception(error)
        asked.answer.exception()  # that nobody waits for it any more is no news


def in_pieces(part: list[Asked[Request, Answer]]) -> list[list[Asked[Request, Answer]]]:
    """Return the parts in which a call that failed as a whole is made again."""
    size = -(-len(part) // PARTS)
    return [part[start : start + size] for start in range(0, len(part), size)]
