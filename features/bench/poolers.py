"""`python -m features.bench.poolers`: what a call of the ledger costs directly and behind PgBouncer, in turns."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.embedded import EmbeddedPostgres
from features.harness.pgbouncer import pgbouncer

CALLS = 200
ROUNDS = 15


async def slice_of(rpc: PostgresRpc) -> tuple[float, float]:
    """Return the ms of a lone call, at the median, and the calls a second of 16 callers."""
    lone = []
    query = {"user_ids": ["00000000-0000-0000-0000-000000000001"], "keys": ["a"], "hold_ids": []}
    for _ in range(CALLS):
        begun = time.perf_counter()
        await rpc.value("accounts_read_for_spending", {"query": query})
        lone.append(time.perf_counter() - begun)

    async def call() -> None:
        for _ in range(CALLS // 8):
            await rpc.value("accounts_read_for_spending", {"query": query})

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(16)))
    return statistics.median(lone) * 1000, 16 * (CALLS // 8) / (time.perf_counter() - begun)


async def measure(urls: Mapping[str, str]) -> None:
    """Print the best round of each way, the one in which other programs were least in its way."""
    async with contextlib.AsyncExitStack() as ends:
        rpcs = {
            name: await ends.enter_async_context(contextlib.aclosing(PostgresRpc(url))) for name, url in urls.items()
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in rpcs}
        for _ in range(ROUNDS + 1):
            for name, rpc in rpcs.items():
                found[name].append(await slice_of(rpc))
    for name, slices in found.items():
        lone, rate = min(lone for lone, _ in slices[1:]), max(rate for _, rate in slices[1:])
        print(f"{name:<44}{lone:6.2f} ms a call {rate:8,.0f} calls/s")


def main() -> None:
    """Start a Postgres and two poolers, and measure."""
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as ends:
        folder = Path(made)
        server = EmbeddedPostgres(folder / "data")
        url = server.start()
        ends.callback(server.stop)
        behind = {}
        for mode in ("session", "transaction"):
            (folder / mode).mkdir()
            port = ends.enter_context(pgbouncer(folder / "data", folder / mode, mode=mode, size=8))
            behind[mode] = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        asyncio.run(
            measure(
                {
                    "direct, statements kept": url,
                    "direct, told that there is a pooler": f"{url}&pgbouncer=true",
                    "PgBouncer, session mode": behind["session"],
                    "PgBouncer, transaction mode": behind["transaction"],
                }
            )
        )


if __name__ == "__main__":
    main()
