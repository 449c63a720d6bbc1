"""`python -m features.bench`: measure the whole, against limits of the same run."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import asyncpg

from entrypoints.http.gc_tuning import freeze_startup_objects
from features.bench import commits, end_to_end, simulations, spends, start
from features.bench.accounts import add_accounts
from features.bench.changes import MINIMAL_SCHEMA, ROWS_SCHEMA
from features.bench.cpu import lone_commits, per_request
from features.bench.figures import Figure, plot, print_table
from features.bench.growth import kept_bytes, large_account, many_accounts, parked_events
from features.bench.mechanisms import measuring
from features.bench.python_ledgers import measuring as python_ledgers
from features.bench.servers import Servers, execute, running

ACCOUNTS = 1_000
SIZES = (200_000, 1_000_000)
QUICK_SIZES = (2_000, 10_000)


async def _prepare(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await add_accounts(connection, 0, ACCOUNTS)
        await connection.execute(MINIMAL_SCHEMA)
        await connection.execute(ROWS_SCHEMA)
    finally:
        await connection.close()


def main(arguments: list[str] | None = None) -> int:
    """Run everything, or the parts that are named; returns 0: goals that are not met are reported, not failed."""
    parser = argparse.ArgumentParser(prog="python -m features.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or two, with less of everything")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios into an SVG")
    parser.add_argument("--only", action="append", metavar="PART", help="one of the parts; may be repeated")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout, set up: CPU in turns with it, bytes beside it"
    )
    asked = parser.parse_args(arguments)
    seconds = 0.5 if asked.quick else 4.0
    pace, rounds = (0.25, 1) if asked.quick else (1.0, 3)
    parts: dict[str, Callable[[Servers], Iterable[Figure]]] = {
        "commits": lambda servers: commits.measure(servers, accounts=ACCOUNTS, seconds=seconds),
        "spends": lambda servers: spends.measure(servers, seconds=seconds),
        "ledgers": lambda servers: python_ledgers.measure(servers, seconds=seconds, rounds=rounds),
        "http": lambda servers: end_to_end.measure(servers, accounts=ACCOUNTS, seconds=seconds),
        "growth": lambda servers: many_accounts.measure(
            servers, sizes=(ACCOUNTS, *(QUICK_SIZES if asked.quick else SIZES)), seconds=seconds
        ),
        "large": lambda servers: large_account.measure(servers, entries=5_000 if asked.quick else 100_000),
        "parked": lambda servers: parked_events.measure(servers, events=5_000 if asked.quick else 100_000),
        "mechanisms": lambda servers: measuring.measure(servers, accounts=ACCOUNTS, pace=pace, rounds=rounds),
        "served": lambda servers: measuring.measure_served(servers, accounts=ACCOUNTS, pace=pace, rounds=rounds),
    }
    alone: dict[str, Callable[[Path], Iterable[Figure]]] = {
        "cpu": lambda folder: per_request.measure(
            folder,
            against=asked.against,
            accounts=30 if asked.quick else 500,
            requests=150 if asked.quick else 2_000,
            rounds=2 if asked.quick else 3,
        ),
        "lone": lambda folder: lone_commits.measure(
            folder, against=asked.against, accounts=100 if asked.quick else 1_000, rounds=2 if asked.quick else 5
        ),
        "bytes": lambda folder: kept_bytes.measure(
            folder, against=asked.against, requests=500 if asked.quick else 2_000
        ),
        "start": lambda _: start.measure(runs=1 if asked.quick else 5),
        "simulators": lambda _: simulations.measure(customers=4 if asked.quick else 40, seeds=2 if asked.quick else 40),
    }
    figures: list[Figure] = []

    def measure(name: str, found: Callable[[], Iterable[Figure]]) -> None:
        begun = time.monotonic()
        for figure in found():
            print(figure.as_json(), flush=True)
            figures.append(figure)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def wanted(names: Iterable[str]) -> list[str]:
        return [name for name in names if not asked.only or name in asked.only]

    freeze_startup_objects()  # as the service does, whose part this process takes
    if wanted(parts):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as servers:
            asyncio.run(_prepare(servers.postgres_url))
            for name in wanted(parts):
                # What the part before left to be done, else it is done behind this one's back.
                asyncio.run(execute(servers.postgres_url, "vacuum analyze", "checkpoint"))
                measure(name, partial(parts[name], servers))
    for name in wanted(alone):
        with tempfile.TemporaryDirectory() as folder:
            measure(name, partial(alone[name], Path(folder)))
    print_table(figures)
    if asked.plot:
        asked.plot.write_text(plot(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
