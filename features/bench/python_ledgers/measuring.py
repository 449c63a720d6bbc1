"""Compares spends of one hot account with other ledgers for Python, on the same Postgres, in turns."""

import asyncio
import json
import statistics
import subprocess
import sys
from pathlib import Path

import uvloop

from domain.values.accounts import UserId
from features.bench.accounts import user_id
from features.bench.commits import transports
from features.bench.figures import Figure
from features.bench.python_ledgers import rivals
from features.bench.servers import ROOT, Servers, execute
from features.bench.spends import spending

CALLERS = 16
GOAL = 4.0
DRIVERS = ("psycopg[binary,pool]==3.3.9", "sqlalchemy==2.1.9")
VERSIONS = {"credit-ledger": "0.3.0", "hf-nostro": "0.2.0", "gringotts-api": "0.4.0"}


def measure(servers: Servers, *, seconds: float, rounds: int) -> list[Figure]:
    """Return a row for each ledger: our rate by CALLERS callers, against its rate in the same rounds."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in VERSIONS}
    make = transports(servers)["Postgres"]
    user = UserId(user_id(0))
    for turn in range(rounds):
        for name, rates in theirs.items():
            rates.append(_rate_of(name, servers, f"{name}_{turn}".replace("-", "_"), seconds))
        measured = uvloop.run(spending(make, servers.redis_url, lambda: user, callers=CALLERS, seconds=seconds))
        ours.append(measured.rate)
    return [
        Figure(
            name=f"spends of one account over Postgres, {CALLERS} callers",
            figure=statistics.median(ours),
            unit="spends/s",
            limit=statistics.median(rates),
            limit_name=f"{name} {VERSIONS[name]}, {CALLERS} threads",
            goal=GOAL,
            rounds=tuple(mine / its for mine, its in zip(ours, rates, strict=True)),
        )
        for name, rates in theirs.items()
    ]


def _rate_of(name: str, servers: Servers, database: str, seconds: float) -> float:
    """Return the rate of one ledger, in an environment of its own and in a database of its own on the same server."""
    asyncio.run(execute(servers.postgres_url, f"create database {database}"))
    try:
        address, _, options = servers.postgres_url.partition("?")
        url = f"{address.rpartition('/')[0]}/{database}?{options}"
        packages = (f"{name}=={VERSIONS[name]}", *DRIVERS)
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("uv")),
                *("run", "--quiet", "--isolated", "--no-project", "--python", sys.executable),
                *(word for package in packages for word in ("--with", package)),
                *("python", str(Path(rivals.__file__).relative_to(ROOT)), name, url, str(CALLERS), str(seconds)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        return float(json.loads(done.stdout)["rate"])
    finally:
        asyncio.run(execute(servers.postgres_url, f"drop database {database} with (force)"))
