"""Translates Redis' errors into the domain's, and says what to do about each."""

import contextlib
from collections.abc import Iterator

from redis.exceptions import AskError, NoScriptError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from domain.ports.cache import CacheUnavailable

CACHE_ERRORS = (RedisError, OSError)
"""The errors that the client raises if Redis did not answer; asyncio's TimeoutError is an OSError."""


class RedisAway(RedisError):
    """Redis is not used, because it failed a moment ago; the text says why."""


class NodeOfCluster(RedisError):
    """The Redis has only part of a cluster's keys."""


class LinesMissed(RedisError):
    """More cache entries could not be written than are remembered."""


@contextlib.contextmanager
def cache_errors() -> Iterator[None]:
    """Translate the client's errors inside the block into the domain's.

    :raises CacheUnavailable: if Redis did not answer.
    """
    try:
        yield
    except CACHE_ERRORS as error:
        raise cache_unavailable(error) from error


def cache_unavailable(error: Exception) -> CacheUnavailable:
    """Return the domain's error for one of the client's."""
    return CacheUnavailable(explained(error))


def explained(error: Exception) -> str:  # noqa: PLR0911 - one text for each error
    """Return what is wrong and, where that is known, what to do."""
    seen = f"{type(error).__name__}: {error}"
    match error:
        case RedisAway():
            return str(error)
        case ReadOnlyError():
            return f"it is a read-only replica; point its address at the primary ({seen})"
        case OutOfMemoryError():
            return f"it is full and takes no writes; raise its maxmemory, or let it evict keys ({seen})"
        case NodeOfCluster() | AskError():  # a MovedError is an AskError
            return (
                "it is a node of a Redis cluster and has only part of the keys; "
                f"use the address of a Redis that has all of them ({seen})"
            )
        case LinesMissed():
            return f"its balances are behind: those of {error} could not be written"
        case TimeoutError():
            return "it did not answer in time"
        case _:
            return seen


def is_of_another_type(error: object) -> bool:
    """Return whether Redis says that a key holds something else than ours: for a reader, nothing that can be read."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def tells_of_redis(error: object) -> bool:
    """Return whether an answer is an error that says something of Redis, and not of a single key or script."""
    return isinstance(error, ResponseError) and not isinstance(error, NoScriptError) and not is_of_another_type(error)
