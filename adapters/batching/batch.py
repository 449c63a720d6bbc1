"""The requests of one call, each with the future of its answer."""

import asyncio
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

import attrs

Request = TypeVar("Request")
Answer = TypeVar("Answer")

BISECT_WAYS = 8
"""The number of parts into which a failed call is split: three rounds find one bad request among five hundred."""


@attrs.define(eq=False)
class Submitted(Generic[Request, Answer]):
    """A request with the future of its answer."""

    request: Request
    keys: Collection[Hashable]
    weight: int
    answer: asyncio.Future[Answer]


def fail(asked: Submitted[Request, Answer], error: Exception) -> None:
    """Fail a request, unless it has its answer already."""
    if not asked.answer.done():
        asked.answer.set_exception(error)
        asked.answer.exception()  # Mark the exception as retrieved: its caller may be gone.


def in_pieces(part: list[Submitted[Request, Answer]]) -> list[list[Submitted[Request, Answer]]]:
    """Return the parts in which a failed call is repeated."""
    size = -(-len(part) // BISECT_WAYS)
    return [part[start : start + size] for start in range(0, len(part), size)]
