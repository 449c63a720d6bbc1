"""Calls of the ledger's SQL functions over a direct Postgres connection."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from adapters.postgres.errors import ledger_error_from, no_text
from domain.ports.ledger import LedgerUnavailable

CONNECT_SECONDS = 5
COMMAND_SECONDS = 10
MAX_CONNECTIONS = 10

_TRANSACTION_POOLER_PORT = 6543
"""Supabase's pooler shares connections between transactions there: none keeps a prepared statement."""


class PostgresRpc:
    """A pool of direct connections, opened at the first call."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """The one JSON value that the function returns."""
        return await self._fetch(f"select to_json({_call(function, arguments)})", arguments)

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """The rows that the function returns."""
        call = _call(function, arguments)
        query = f"select coalesce(jsonb_agg(to_jsonb(found)), '[]') from {call} as found"  # noqa: S608 - our own names
        rows: list[dict[str, Any]] = await self._fetch(query, arguments)
        return rows

    async def aclose(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()

    async def _fetch(self, query: str, arguments: Mapping[str, object]) -> Any:
        try:
            values = [_value(argument) for argument in arguments.values()]
            pool = await self._open()
            async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                answer = await connection.fetchval(query, *values)
        except UnicodeEncodeError as error:
            raise no_text() from error
        except asyncpg.PostgresError as error:
            raise ledger_error_from(f"Postgres: {type(error).__name__} ({error.sqlstate})", error.sqlstate) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # The last is what asyncpg says when a connection dies between an answer and its return to the pool.
            raise LedgerUnavailable(f"Postgres: {type(error).__name__}") from error
        return None if answer is None else msgspec.json.decode(answer)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                pooled = urlsplit(self._url).port == _TRANSACTION_POOLER_PORT
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=MAX_CONNECTIONS,
                    timeout=CONNECT_SECONDS,
                    command_timeout=COMMAND_SECONDS,
                    statement_cache_size=0 if pooled else 100,
                    reset=_leave_as_it_is,
                )
            return self._pool


async def _leave_as_it_is(_: object) -> None:
    """Each call is one statement, which leaves nothing behind that the next should not find."""


def _call(function: str, arguments: Mapping[str, object]) -> str:
    named = ", ".join(f"{name} => ${place}" for place, name in enumerate(arguments, start=1))
    return f"public.{function}({named})"


def _value(argument: object) -> object:
    return msgspec.json.encode(argument).decode() if isinstance(argument, dict | list) else argument
