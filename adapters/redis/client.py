"""Connections to Redis that fail fast: the cache must never hold up what the ledger can answer.

Commands of many callers share round trips: those that arrive while one is on its way go together in the next.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import DataError, RedisError, ResponseError

from adapters.batching.batcher import Batcher
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull
from domain.ports.cache import CacheUnavailable

Answer = TypeVar("Answer")

MAX_CONNECTIONS = 32
TIMEOUT_SECONDS = 1.0
"""For all the answers to one round of commands; for a free connection; and for a server to take the connection."""

CONNECTING_SECONDS = 5.0
"""For a connection to be made: to a distant Redis that takes several round trips, TLS and AUTH included."""

CACHE_ERRORS = (RedisError, OSError)
"""What the client raises where Redis did not answer; asyncio's TimeoutError is an OSError."""

_Packed = tuple[str, bytes]
"""A command's name, and all of it as it is sent."""

_NOT_SENT = (QueueFull, Closed, Interrupted)

COMMANDS = Limits(calls=2, requests=128, waiting=5_000, closing_seconds=2 * TIMEOUT_SECONDS)


class SharedRedis(Redis):
    """A client whose commands travel together; each gets its own answer, or its own error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._connecting: asyncio.Task[None] | None = None
        self._connected = 0
        """How many connections were made since a round failed."""
        self._rounds = 0
        """How many are in flight, each on a connection of its own."""
        self._commands: Batcher[_Packed, Any] = Batcher(self._send, limits=COMMANDS)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The answer to one command.

        :raises redis.exceptions.RedisError: if there is none, or it is an error.
        """
        options.pop("keys", None)  # for caches on the client's side, which we have none of
        if options:
            # A command with wishes of its own goes alone.
            return await self._within_limits(lambda: Redis.execute_command(self, *args, **options))  # type: ignore[no-untyped-call]
        packed = _packed(args)
        try:
            answer = await self._commands.submit(packed)
        except _NOT_SENT as error:
            raise _not_sent(error) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The answers to several commands; an error that is Redis' answer to one stands in its place.

        :raises redis.exceptions.RedisError: if there is no answer.
        """
        packed = [_packed(command) for command in commands]
        try:
            return await self._commands.submit_all(packed)
        except _NOT_SENT as error:
            raise _not_sent(error) from error

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Finish what was asked, and close the connections."""
        await self._commands.aclose()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait((self._connecting,))
        await super().aclose(close_connection_pool)

    async def _be_connected(self) -> None:
        """Have a free connection, which the commands that follow find.

        Who asks waits no longer than for an answer; a connection that takes longer is there for those who ask later.
        """
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(_forget_error)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECTING_SECONDS):
            connection = await self.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            await self.connection_pool.release(connection)
        self._connected += 1

    async def _send(self, commands: Sequence[_Packed]) -> Sequence[Any]:
        return await self._within_limits(lambda: self._answers(commands))

    async def _within_limits(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._rounds >= self._connected:
            await self._be_connected()
        self._rounds += 1
        try:
            # One limit for the round: the client's own is set and taken back for each answer, and makes a task to send.
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await ask()
        except BaseException:
            self._connected = 0
            raise
        finally:
            self._rounds -= 1

    async def _answers(self, commands: Sequence[_Packed]) -> list[Any]:
        """What Redis answers each command, its errors among them, by one write and on one connection.

        No transaction: each command stands for itself, and in a cluster their keys are on different nodes. The client's
        own pipeline takes twice the time: it packs in Python, and looks after what is not used here.
        """
        packed = b"".join([command for _, command in commands])
        connection = await self.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            answers = await connection.retry.call_with_retry(
                lambda: _exchange(connection, packed, len(commands)), lambda _: connection.disconnect()
            )
        finally:
            await self.connection_pool.release(connection)
        return [self._as_documented(name, answer) for (name, _), answer in zip(commands, answers, strict=True)]

    def _as_documented(self, name: str, answer: Any) -> Any:
        """An answer in the form that the client documents for the command."""
        form = self.response_callbacks.get(name)
        return answer if form is None or isinstance(answer, ResponseError) else form(answer)


def _packed(command: Sequence[Any]) -> _Packed:
    """A command as it is sent; its own error, where it can't be, is nobody else's."""
    name, *arguments = command
    try:
        return name, pack_command((*name.split(), *arguments))
    except (TypeError, UnicodeEncodeError) as error:
        raise DataError(f"can't be sent to Redis: {type(error).__name__}") from error


async def _exchange(connection: Any, packed: bytes, answers: int) -> list[Any]:
    await connection.send_packed_command(packed)
    received: list[Any] = []
    for _ in range(answers):
        try:
            received.append(await connection.read_response())
        except ResponseError as error:
            received.append(error)
    return received


def _not_sent(error: Exception) -> ConnectionLost:
    return ConnectionLost(f"not sent to Redis: {type(error).__name__}")


def _forget_error(connecting: asyncio.Task[None]) -> None:
    if not connecting.cancelled():
        connecting.exception()  # whoever still waits is told; that nobody does is no news


def connect(url: str) -> SharedRedis:
    """A client of the Redis at a `redis://` or `rediss://` address; it connects at its first command.

    :raises ValueError: if the address is of another kind.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=None,
        health_check_interval=30,
        # For a connection that was dropped while idle. A Redis that was silent once is not asked again: each
        # repetition would make the caller wait for as long as the first did.
        retry=Retry(ConstantBackoff(0.05), retries=1, supported_errors=(ConnectionLost,)),
        decode_responses=True,
        encoding_errors="replace",  # bytes that are no text are a value that the reader refuses, not a failure
    )
    client = SharedRedis(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


@contextlib.contextmanager
def cache_errors() -> Iterator[None]:
    """The client's errors inside the block, in the domain's words.

    :raises CacheUnavailable: if Redis did not answer.
    """
    try:
        yield
    except CACHE_ERRORS as error:
        raise cache_unavailable(error) from error


def is_of_another_type(error: object) -> bool:
    """Whether Redis says that a key holds something else than ours: for a reader, nothing that can be read."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def cache_unavailable(error: Exception) -> CacheUnavailable:
    """One of the client's errors, in the domain's words."""
    return CacheUnavailable(f"{type(error).__name__}: {error}")


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
