"""The requests of one call, each with its answer to come."""

import asyncio
from collections.abc import Collection, Hashable
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


def fail(asked: Asked[Request, Answer], error: Exception) -> None:
    """Answer a request by an error, unless it has its answer."""
    if not asked.answer.done():
        asked.answer.set_exception(error)
        asked.answer.exception()  # that nobody waits for it any more is no news


def in_pieces(part: list[Asked[Request, Answer]]) -> list[list[Asked[Request, Answer]]]:
    """Return the parts in which a call that failed as a whole is made again."""
    size = -(-len(part) // PARTS)
    return [part[start : start + size] for start in range(0, len(part), size)]
