"""Webhooks and quota reads over HTTP by the service as it is run, against a bare handler run alike."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import uvloop

from features.bench.figures import Figure, Measured
from features.bench.http_load import CONNECTIONS, keep_requesting
from features.bench.processes import listening_on
from features.bench.requests import quota_reads, webhooks
from features.bench.servers import Servers, apart
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

GOALS = {"Postgres": 0.35, "Supabase": 0.25}
QUOTA_GOAL = 0.6
BARE = f"a bare Litestar handler of one process, {CONNECTIONS} connections"


@attrs.frozen(kw_only=True)
class Running:
    """A service that runs."""

    url: str
    process: int

    @property
    def megabytes(self) -> float:
        """The memory that it occupies now."""
        status = Path(f"/proc/{self.process}/status").read_text()
        (kilobytes,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
        return kilobytes / 1024


@contextlib.contextmanager
def service(servers: Servers, transport: str, log: Path) -> Iterator[Running]:
    """`credence serve` of one process, its worker apart, until the end of the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(servers.settings(port, transport=transport), log):
        wait_until_ready(url, log)
        yield Running(url=url, process=listening_on(port))


def measure(servers: Servers, *, accounts: int, seconds: float) -> list[Figure]:
    """The figures of whole requests."""
    with apart("features.bench.bare", "nothing") as nothing:
        ceiling = _load(nothing, "quota", accounts, seconds / 2)
    with apart("features.bench.bare", "litestar") as bare:
        limits = {what: _load(bare, what, accounts, seconds) for what in ("quota", "webhooks")}
    figures = [
        Figure(
            name="a bare Litestar handler",
            figure=limits["quota"].rate,
            unit="requests/s",
            limit=ceiling.rate,
            limit_name="what the measuring client can send at most",
            latency=limits["quota"].latency,
        )
    ]
    for transport, goal in GOALS.items():
        with service(servers, transport, servers.folder / f"{transport}.log") as running:
            if transport == "Postgres":
                _load(running.url, "quota", accounts, seconds / 2)  # fills the cache
                quota = _load(running.url, "quota", accounts, seconds)
                figures.append(_figure("quota reads over HTTP", "reads/s", quota, limits["quota"], QUOTA_GOAL))
            reported = _load(running.url, "webhooks", accounts, seconds)
            figures.append(
                _figure(f"webhooks over HTTP, {transport}", "webhooks/s", reported, limits["webhooks"], goal)
            )
    return figures


def quota_rate(url: str, accounts: int, seconds: float) -> Measured:
    """The rate of quota reads."""
    return _load(url, "quota", accounts, seconds)


def _load(url: str, what: str, accounts: int, seconds: float) -> Measured:
    requests = quota_reads(accounts) if what == "quota" else webhooks(accounts)
    return uvloop.run(keep_requesting(url, requests, seconds=seconds))


def _figure(name: str, unit: str, measured: Measured, limit: Measured, goal: float) -> Figure:
    return Figure(
        name=name,
        figure=measured.rate,
        unit=unit,
        limit=limit.rate,
        limit_name=BARE,
        goal=goal,
        latency=measured.latency,
    )
