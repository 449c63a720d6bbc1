"""Connections to Redis that fail fast: the cache must never hold up what the ledger can answer.

Commands of many callers share round trips: those that arrive while one is on its way go together in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import DataError, ReadOnlyError, ResponseError

from adapters.batching.batcher import Batcher
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull

Answer = TypeVar("Answer")

MAX_CONNECTIONS = 32
TIMEOUT_SECONDS = 1.0
"""For all the answers to one round of commands; for a free connection; and for a server to take the connection."""

CONNECTING_SECONDS = 5.0
"""For a connection to be made: to a distant Redis that takes several round trips, TLS and AUTH included."""

Packed = tuple[str, bytes]
"""A command's name, and all of it as it is sent."""

Ask = Callable[[Sequence[tuple[Any, ...]]], Awaitable[Sequence[Any]]]
"""Exchanges commands for their answers, errors among them."""

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
        self.before_return: list[Callable[[Ask], Awaitable[None]]] = []
        """What is to be done before Redis is used again, where it is not used while it is away."""
        self._seconds = TIMEOUT_SECONDS
        """How long a round may take, with a connection that is made for it."""
        self._commands: Batcher[Packed, Any] = Batcher(self._send, limits=COMMANDS)

    @property
    def is_away(self) -> bool:
        """Return whether Redis is not asked now: here it always is."""
        return False

    def leave(self, error: Exception) -> None:
        """Do without Redis for a while, where that is known: here it is asked all the same."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Return the answer to one command.

        :raises redis.exceptions.RedisError: if there is none, or it is an error.
        """
        options.pop("keys", None)  # for caches on the client's side, which we have none of
        if options:
            # A command with wishes of its own goes alone.
            return await self._within_limits(lambda: Redis.execute_command(self, *args, **options))  # type: ignore[no-untyped-call]
        packed = pack(args)
        try:
            answer = await self._commands.submit(packed)
        except _NOT_SENT as error:
            raise _not_sent(error) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the answers to several commands; if Redis answers one with an error, that error is in its place.

        :raises redis.exceptions.RedisError: if there is no answer.
        """
        packed = [pack(command) for command in commands]
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
        """Have a free connection for the commands that follow.

        Connecting goes on if its callers stop waiting, so that later callers find the connection.
        """
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(_forget_error)
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        """Make a connection for each round that may be in flight, so that no round has to wait for one later."""
        pool = self.connection_pool
        async with asyncio.timeout(CONNECTING_SECONDS):
            getting = [pool.get_connection() for _ in range(COMMANDS.calls)]  # type: ignore[no-untyped-call]
            made = await asyncio.gather(*getting, return_exceptions=True)
            for connection in made:
                if not isinstance(connection, BaseException):
                    await pool.release(connection)
        for error in made:
            if isinstance(error, BaseException):
                raise error
        self._connected += len(made)

    async def _send(self, commands: Sequence[Packed]) -> Sequence[Any]:
        return await self._within_limits(lambda: self._answers(commands))

    async def _within_limits(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        # One limit for the round: the client's own is set and taken back for each answer, and makes a task to send.
        async with asyncio.timeout(self._seconds):
            if self._rounds >= self._connected:
                await self._be_connected()
            return await self._in_flight(ask)

    async def _in_flight(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        self._rounds += 1
        try:
            return await ask()
        except BaseException:
            self._connected = 0
            raise
        finally:
            self._rounds -= 1

    async def _answers(self, commands: Sequence[Packed]) -> list[Any]:
        """Return what Redis answers each command, its errors among them, by one write and on one connection.

        No transaction: each command stands for itself, and in a cluster their keys are on different nodes. The client's
        own pipeline takes twice the time: it packs in Python, and looks after what is not used here.
        """
        packed = b"".join([command for _, command in commands])
        connection = await self.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            answers = await connection.retry.call_with_retry(
                lambda: _exchange(connection, packed, len(commands)), lambda _: connection.disconnect()
            )
            if any(isinstance(answer, ReadOnlyError) for answer in answers):
                # It was the primary and is not any more: who is now is found by connecting anew.
                await connection.disconnect()
                await self.connection_pool.disconnect(inuse_connections=False)
                self._connected = 0
        finally:
            await self.connection_pool.release(connection)
        return [self._as_documented(name, answer) for (name, _), answer in zip(commands, answers, strict=True)]

    def _as_documented(self, name: str, answer: Any) -> Any:
        """Return an answer in the form that the client documents for the command."""
        form = self.response_callbacks.get(name)
        return answer if form is None or isinstance(answer, ResponseError) else form(answer)


def pack(command: Sequence[Any]) -> Packed:
    """Return a command as it is sent; its own error, where it can't be, is nobody else's."""
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
        connecting.exception()  # marks it as retrieved: asyncio need not log it if nobody waits any more


def connect(url: str) -> SharedRedis:
    """Return a client of the Redis at a `redis://` or `rediss://` address; it connects at its first command.

    :raises ValueError: if the address is of another kind.
    """
    client = SharedRedis(connection_pool=connection_pool(url))
    client.auto_close_connection_pool = True
    return client


def connection_pool(url: str) -> BlockingConnectionPool:
    """Return the connections of a client of the Redis at that address.

    :raises ValueError: if the address is of another kind.
    """
    return BlockingConnectionPool.from_url(
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


def upstash_url(rest_url: str, rest_token: str) -> str:
    """Return the `rediss://` address of the Upstash database with that REST address and token.

    :raises ValueError: if the address names no host, or the token is empty.
    """
    host = urlsplit(rest_url.strip()).hostname
    if not host:
        raise ValueError("UPSTASH_REDIS_REST_URL must be an address such as https://name.upstash.io")
    token = rest_token.strip()
    if not token:
        raise ValueError("UPSTASH_REDIS_REST_TOKEN must not be empty")
    return f"rediss://default:{quote(token, safe='')}@{host}:6379"
