"""Calls of the ledger's SQL functions over Postgres' own protocol, with or without a pooler in between."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from adapters.postgres.address import read_address
from adapters.postgres.connections import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    find_connection_kind,
    has_own_backend,
    no_connection,
)
from adapters.postgres.errors import ledger_error_from, no_text
from domain.ports.ledger import LedgerUnavailable, LedgerUntouched
from domain.upkeep.diagnosis import ConnectionKind

DEFAULT_CONNECTIONS = 4
"""So that three processes leave some of the 15 that Supabase's session pooler has by default to commands."""
IDLE_SECONDS = 10
"""A connection beyond those that the load needs goes back soon: behind a session pooler it is kept from others."""
STATEMENTS = 100

_ERRORS = (
    UnicodeEncodeError,
    OSError,  # and TimeoutError, which is one
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg says when a connection dies between an answer and its return to the pool.
    asyncpg.InternalClientError,
)


class PostgresRpc:
    """A pool of connections, opened at the first call; none of them relies on a statement behind a pooler."""

    def __init__(self, url: str, *, connections: int | None = None) -> None:
        """Without a number of `connections` the address may name one.

        :raises adapters.postgres.address.InvalidAddress: if the address says what can't be meant.
        """
        address = read_address(url)
        self._url = address.url
        self._most = connections or address.connection_limit or DEFAULT_CONNECTIONS
        self._is_pooled = address.shares_connections
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """Return the one JSON value that the function returns."""
        return await self._fetch(f"select to_json({_call(function, arguments)})", arguments)

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows that the function returns."""
        call = _call(function, arguments)
        query = f"select coalesce(jsonb_agg(to_jsonb(found)), '[]') from {call} as found"  # noqa: S608 - our own names
        rows: list[dict[str, Any]] = await self._fetch(query, arguments)
        return rows

    async def connection_kind(self) -> ConnectionKind:
        """Return what is between this process and the server, found out by two connections more.

        :raises LedgerUnavailable: if they can't be had.
        """
        try:
            return await find_connection_kind(self._url)
        except _ERRORS as error:
            raise _translated(error, connecting_to=self._url) from error

    async def aclose(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()

    async def _fetch(self, query: str, arguments: Mapping[str, object]) -> Any:
        try:
            values = [_value(argument) for argument in arguments.values()]
            pool = await self._open()
            connection = await pool.acquire(timeout=CONNECT_SECONDS)
        except _ERRORS as error:
            if isinstance(error, TimeoutError) and self._is_exhausted():
                cause = f"Postgres: all {self._most} connections of this process are in use (CREDENCE_DB_CONNECTIONS)"
                raise LedgerUntouched(cause) from error
            raise _translated(error, connecting_to=self._url) from error
        try:
            try:
                answer = await connection.fetchval(query, *values)
            finally:
                await pool.release(connection)
        except _ERRORS as error:
            raise _translated(error) from error
        return None if answer is None else msgspec.json.decode(answer)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._most,
                    max_inactive_connection_lifetime=IDLE_SECONDS,
                    timeout=CONNECT_SECONDS,
                    command_timeout=COMMAND_SECONDS,
                    connect=self._connect,
                    reset=_leave_as_it_is,
                )
            return self._pool

    def _is_exhausted(self) -> bool:
        return self._pool is not None and self._pool.get_size() == self._most and not self._pool.get_idle_size()

    async def _connect(self, *arguments: Any, **options: Any) -> Any:
        """Return a new connection, which keeps prepared statements only where its backend is its own."""
        statements = 0 if self._is_pooled else STATEMENTS
        connection = await asyncpg.connect(*arguments, **options, statement_cache_size=statements)
        try:
            if self._is_pooled or await has_own_backend(connection):
                return connection
        except BaseException:
            connection.terminate()
            raise
        self._is_pooled = True
        await connection.close()
        return await self._connect(*arguments, **options)


async def _leave_as_it_is(_: object) -> None:
    """Leave the session as it is: each call is one statement, which leaves nothing behind."""


def _translated(error: Exception, *, connecting_to: str | None = None) -> LedgerUnavailable:
    is_untouched = connecting_to is not None
    match error:
        case UnicodeEncodeError():
            return no_text()
        case asyncpg.PostgresError():
            cause = f"Postgres: {type(error).__name__} ({error.sqlstate})"
            if is_untouched:
                cause += f": {error.args[0]}"  # of logins, databases and parameters of the address, never of rows
            return ledger_error_from(cause, error.sqlstate, is_untouched=is_untouched)
        case OSError() if connecting_to is not None:
            return no_connection(connecting_to, error)
        case _:
            return (LedgerUntouched if is_untouched else LedgerUnavailable)(f"Postgres: {type(error).__name__}")


def _call(function: str, arguments: Mapping[str, object]) -> str:
    named = ", ".join(f"{name} => ${place}" for place, name in enumerate(arguments, start=1))
    return f"public.{function}({named})"


def _value(argument: object) -> object:
    return msgspec.json.encode(argument).decode() if isinstance(argument, dict | list) else argument
