"""Records of charges that tests can let time pass for: in memory, and in a real Postgres."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self

import asyncpg
import msgspec

from adapters.memory.selling.charges import MemoryCharges
from adapters.postgres.charges import SqlCharges
from adapters.postgres.direct_rpc import PostgresRpc
from domain.payments.charges import Charge
from domain.ports.coordination import Clock
from domain.ports.saved_cards import ChargeRecords
from domain.upkeep.diagnosis import ConnectionKind


class Records(Protocol):
    """The records of one world, which has one charge at most."""

    @property
    def port(self) -> ChargeRecords:
        """Return what the use cases know of them; each call is one indivisible step."""
        ...

    def charge(self) -> Charge | None:
        """Return the charge, None if it was not recorded."""
        ...

    def let_pass(self, time: timedelta) -> None:
        """Let time pass by the records' own clock."""
        ...


class RecordsInMemory:
    """Records whose clock is the world's."""

    def __init__(self, clock: Clock) -> None:
        self.port = MemoryCharges(clock)

    def charge(self) -> Charge | None:
        """Return the charge, None if it was not recorded."""
        return next(iter(self.port.all()), None)

    def let_pass(self, time: timedelta) -> None:
        """Do nothing: the world's clock is moved by the world."""


class Database:
    """A database that is asked from another thread, so that a call of it is one step here."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._rpc, self._url = PostgresRpc(url, connections=1), url
        self._owner: asyncpg.Connection | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._owner = self._awaited(asyncpg.connect(self._url))
        # Past what keeps charges as they are.
        self._awaited(self._owner.execute("set session_replication_role = replica"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._awaited(self._rpc.aclose())
        if self._owner is not None:
            self._awaited(self._owner.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """Return the one JSON value that the function returns; awaits nothing."""
        return self._awaited(self._rpc.value(function, arguments))

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows that the function returns; awaits nothing."""
        rows: list[dict[str, Any]] = self._awaited(self._rpc.rows(function, arguments))
        return rows

    async def connection_kind(self) -> ConnectionKind:
        """Return what is between this process and the database."""
        kind: ConnectionKind = self._awaited(self._rpc.connection_kind())
        return kind

    async def aclose(self) -> None:
        """Do nothing: the block that opened the database closes it."""

    def as_owner(self, query: str, *arguments: object) -> Any:
        """Return the first value of a query that the database's owner makes."""
        assert self._owner is not None
        return self._awaited(self._owner.fetchval(query, *arguments))

    def _awaited(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


class RecordsInPostgres:
    """The records of a database, which has no other charges."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.port = SqlCharges(database, clock)
        database.as_owner("delete from public.charges")

    def charge(self) -> Charge | None:
        """Return the charge, None if it was not recorded."""
        found = self._database.as_owner("select public.credence_charge(id, false) -> 'charge' from public.charges")
        return msgspec.convert(msgspec.json.decode(found), Charge) if found is not None else None

    def let_pass(self, time: timedelta) -> None:
        """Let everything be that much longer ago, but for what Stripe's clock said."""
        self._database.as_owner(
            "update public.charges set created_at = created_at - $1::interval, due_at = due_at - $1::interval, "
            "charging_since = charging_since - $1::interval",
            time,
        )
