"""Connections to Redis that fail fast: the cache must never hold up what the ledger can answer."""

import contextlib
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from domain.ports import CacheUnavailable

MAX_CONNECTIONS = 32
TIMEOUT_SECONDS = 1.0
"""For connecting, for each answer, and for a free connection of the pool."""


def connect(url: str) -> Redis:
    """A client of the Redis at a `redis://` or `rediss://` address; it connects at its first command.

    :raises ValueError: if the address is of another kind.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
        # For a connection that was dropped while idle. A Redis that was silent once is not asked again: each
        # repetition would make the caller wait for as long as the first did.
        retry=Retry(ConstantBackoff(0.05), retries=1, supported_errors=(ConnectionLost,)),
        decode_responses=True,
        encoding_errors="replace",  # bytes that are no text are a value that the reader refuses, not a failure
    )
    return Redis.from_pool(pool)


@contextlib.contextmanager
def cache_errors() -> Iterator[None]:
    """The client's errors inside the block, in the domain's words.

    :raises CacheUnavailable: if Redis did not answer.
    """
    try:
        yield
    except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
        raise CacheUnavailable(f"{type(error).__name__}: {error}") from error


def upstash_url(rest_url: str, rest_token: str) -> str:
    """The `rediss://` address of the Upstash database with that REST address and token.

    :raises ValueError: if the address names no host, or the token is empty.
    """
    host = urlsplit(rest_url.strip()).hostname
    if not host:
        raise ValueError("UPSTASH_REDIS_REST_URL must be an address such as https://name.upstash.io")
    token = rest_token.strip()
    if not token:
        raise ValueError("UPSTASH_REDIS_REST_TOKEN must not be empty")
    return f"rediss://default:{quote(token, safe='')}@{host}:6379"
