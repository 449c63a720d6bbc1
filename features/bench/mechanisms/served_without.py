"""The service without one of the parts that are there for speed alone, to measure what the part gains.

`python -m features.bench.mechanisms.served_without PART` serves as `credence serve` does.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import uvloop
from redis.asyncio import Redis

from adapters.redis import guard
from adapters.redis.guard import GuardedRedis
from domain.usecases.record_payment import PaymentRecorder
from entrypoints.cli import server
from entrypoints.cli.main import main
from entrypoints.http.short_way import ShortWay
from features.bench.figures import Figure
from features.bench.http_load import keep_requesting
from features.bench.mechanisms.comparing import COMPLETE, comparisons, in_turns
from features.bench.mechanisms.cpu import Slice, metered
from features.bench.requests import quota_reads, spends, webhooks
from features.bench.servers import ROOT, Servers
from simulators.stack.postgrest import free_port
from simulators.stack.stack import wait_until_ready


class PlainRedis(GuardedRedis):
    """redis-py's own client behind the guard, each command on its way alone."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Return the answer to one command, by the client's own way."""
        return await self._within_budget(Redis.execute_command(self, *args, **options))

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the answers to several commands, by the client's own pipeline."""
        async with self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return tuple(await pipeline.execute(raise_on_error=False))


async def _nothing_unread(*_: object) -> None:
    """Leave every decision to what is read."""


LEFT_OUT: dict[str, Callable[[], None]] = {
    "short way": lambda: setattr(ShortWay, "__call__", lambda self, *asgi: self._app(*asgi)),
    "commits without reading": lambda: setattr(PaymentRecorder, "_record_unread", _nothing_unread),
    "tuned garbage collection": lambda: setattr(server, "freeze_startup_objects", lambda: None),
    "pipelined Redis client": lambda: setattr(guard, "GuardedRedis", PlainRedis),
}


class Load(NamedTuple):
    """Requests of one kind, and the parts that act on them."""

    name: str
    requests: Callable[[int], Callable[[], bytes]]
    parts: tuple[str, ...]


QUOTA_READS = Load(
    "quota reads by HTTP", quota_reads, ("short way", "tuned garbage collection", "pipelined Redis client")
)
LOADS = (
    Load("spends by HTTP", spends, ("tuned garbage collection", "pipelined Redis client")),
    QUOTA_READS,
    Load("webhooks", webhooks, ("commits without reading", "tuned garbage collection", "pipelined Redis client")),
)


def measure(
    servers: Servers, transport: str, seconds: Mapping[int, float], *, accounts: int, pace: float, rounds: int
) -> Iterator[Figure]:
    """Give the figures of the service as a whole; a read of a quota does not touch the ledger's transport."""
    loads = [load for load in LOADS if load is not QUOTA_READS or transport == "Postgres"]
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(_serving(servers, transport, name)) for name in (COMPLETE, *LEFT_OUT)}
        for load in loads:
            for connections, least in seconds.items():
                variants = {
                    name: partial(_slice, urls[name], load.requests(accounts), servers, connections, pace * least)
                    for name in (COMPLETE, *load.parts)
                }
                slices = uvloop.run(in_turns(variants, rounds=rounds))
                yield from comparisons(f"{load.name}, over {transport}, {connections} callers", slices)


async def _slice(
    url: str, next_request: Callable[[], bytes], servers: Servers, connections: int, seconds: float
) -> Slice:
    count = 0

    def counted() -> bytes:
        nonlocal count
        count += 1
        return next_request()

    async def load() -> float:
        return (await keep_requesting(url, counted, seconds=seconds, connections=connections)).latency.p99

    return await metered(load(), servers, lambda: count, counts_own=False)


@contextlib.contextmanager
def _serving(servers: Servers, transport: str, left_out: str) -> Iterator[str]:
    port, log = free_port(), servers.folder / f"without-{left_out.replace(' ', '-')}.log"
    environment = servers.settings(port, transport=transport)
    command = [sys.executable, "-m", "features.bench.mechanisms.served_without", left_out]
    with (
        log.open("ab") as said,
        subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, cwd=ROOT, start_new_session=True
        ) as process,
    ):
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    LEFT_OUT.get(sys.argv[1], lambda: None)()
    main(["serve"], prog_name="credence")
