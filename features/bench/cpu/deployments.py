"""Starts a service with worker and servers, or a handler alone, and measures the CPU that its requests take."""

import asyncio
import time
from collections.abc import Iterator, Mapping

import asyncpg
import attrs

from features.bench.http_load import CONNECTIONS, send_all
from features.bench.processes import running_processes, seconds_of

WORKER_TURN = 1.1
"""Seconds in which an idle worker looks for work at least once; it does so each second."""
LOOKING = 0.1
"""Seconds between looks at the outbox."""
IDLE = 0.1
"""The part of a CPU that a worker takes at most when there is nothing left to do."""
DRAINING_SECONDS = 120.0


@attrs.frozen(kw_only=True)
class Spent:
    """The CPU that each part took for an equal number of requests."""

    micros: Mapping[str, float]
    """Microseconds of CPU for each request, by the part's name."""
    undelivered: int = 0
    """Messages that the worker had not delivered when it was no longer waited for."""

    @property
    def total(self) -> float:
        """Microseconds of CPU for each request, of all parts together."""
        return sum(self.micros.values())


@attrs.frozen(kw_only=True)
class Deployment:
    """A running service: its address, and the processes of its parts by name."""

    url: str
    processes: Mapping[str, int]
    postgres_url: str | None = None
    """Where the outbox is that its worker delivers."""

    async def spend_on(self, requests: Iterator[bytes], count: int, *, leaves_work: bool = True) -> Spent:
        """Return the CPU that so many requests took, from the first to the last message that followed from them."""
        before = self._seconds()
        await send_all(self.url, requests, connections=CONNECTIONS)
        undelivered = await self._drain() if leaves_work else 0
        after = self._seconds()
        return Spent(
            micros={name: 1_000_000 * (after[name] - before[name]) / count for name in before}, undelivered=undelivered
        )

    async def _drain(self) -> int:
        """Wait until the worker has nothing left to do, at most two minutes; returns how many messages are left.

        That its outbox is empty is not all: a build may keep its work elsewhere. It is idle, too, for a turn.
        """
        if self.postgres_url is None or "worker" not in self.processes:
            return 0
        connection, ends = await asyncpg.connect(self.postgres_url), time.monotonic() + DRAINING_SECONDS
        try:
            has = await connection.fetch(
                "select column_name from information_schema.columns"
                " where table_schema = 'public' and table_name = 'outbox'"
                " and column_name in ('delivered_at', 'failed_at')"
            )
            due = " and ".join(["true", *(f"{row['column_name']} is null" for row in has)])
            left, is_idle = 1, False
            while (left or not is_idle) and time.monotonic() < ends:
                pause, worked = (LOOKING if left else WORKER_TURN), self._seconds()["worker"]
                await asyncio.sleep(pause)
                is_idle = not left and self._seconds()["worker"] - worked < IDLE * pause
                left = await connection.fetchval(f"select count(*) from public.outbox where {due}")
            return left
        finally:
            await connection.close()

    def _seconds(self) -> dict[str, float]:
        processes = running_processes()
        return {name: seconds_of([process], processes) for name, process in self.processes.items()}
