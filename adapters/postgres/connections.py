"""Makes connections to Postgres, and finds out whether a pooler is in between.

A pooler such as PgBouncer lets several clients share a backend, one session or one transaction after the other. A
statement that one client prepared may then be missing, or belong to another client. A pooler can be detected: it makes
up the process id that a new connection gets for cancelling.

Without a cache of statements asyncpg prepares an unnamed statement and uses it before it lets the transaction end.
Until then no pooler gives the backend to another client.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import attrs

from adapters.postgres.address import read_address, server_of
from domain.ports.ledger import LedgerUntouched
from domain.upkeep.diagnosis import ConnectionKind

CONNECT_SECONDS = 5
COMMAND_SECONDS = 10
_LOOKS = 10


@attrs.frozen
class DatabaseUnreachable(LedgerUntouched):
    """No connection to the database; the cause says where, and why, without a secret."""

    def __str__(self) -> str:
        return f"{self.cause[0].upper()}{self.cause[1:]}."


def no_connection(url: str, cause: Exception | str) -> DatabaseUnreachable:
    """Return what a person can act on: host and port, and the cause."""
    match cause:
        case ConnectionRefusedError():
            why = "connection refused"
        case TimeoutError():
            why = f"no answer within {CONNECT_SECONDS} seconds"
        case _:
            why = str(cause).rstrip(".") or type(cause).__name__
    return DatabaseUnreachable(f"cannot connect to the database at {server_of(url)}: {why}")


@contextlib.asynccontextmanager
async def connected(url: str, *, command_seconds: float | None = None) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Open a connection that works behind any pooler: it prepares no statement but for the moment of its use.

    :raises adapters.postgres.address.InvalidAddress: if the address says what can't be meant.
    """
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        read_address(url).url, timeout=CONNECT_SECONDS, command_timeout=command_seconds, statement_cache_size=0
    )
    try:
        yield connection
    finally:
        # What is lost or does not answer is closed all the same.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=CONNECT_SECONDS)


async def has_own_backend(connection: "asyncpg.Connection[Any]") -> bool:
    """Return whether the connection goes to the server itself; asked without a statement, which would be prepared."""
    asked = f"select where pg_backend_pid() = {connection.get_server_pid()}"
    return str(await connection.execute(asked)) == "SELECT 1"


async def find_connection_kind(url: str) -> ConnectionKind:
    """Return what is between the process and the server.

    Of two connections at once that a pooler keeps apart each has one backend, its own. If they take turns at one that
    shares, they meet in a backend, or each meets several.
    """
    async with contextlib.AsyncExitStack() as ends:
        opened = [connected(url, command_seconds=COMMAND_SECONDS) for _ in range(2)]
        clients = [await ends.enter_async_context(one) for one in opened]
        if await has_own_backend(clients[0]):
            return ConnectionKind.DIRECT
        met: list[set[int]] = [set(), set()]
        for _ in range(_LOOKS):
            for client, backends in zip(clients, met, strict=True):
                backends.add(await client.fetchval("select pg_backend_pid()"))
        is_shared = not met[0].isdisjoint(met[1]) or max(map(len, met)) > 1
        return ConnectionKind.TRANSACTION_POOLER if is_shared else ConnectionKind.SESSION_POOLER
