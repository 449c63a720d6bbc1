"""The ledgers under contract: memory, a direct Postgres connection, and Supabase's API."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import attrs
import pytest

from adapters.batching.group_commit import GroupCommit
from adapters.memory.audit import MemoryAudit
from adapters.memory.inbox import MemoryInbox
from adapters.memory.ledger import MemoryLedger
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.selling.customers import MemoryCustomerLinks
from adapters.memory.walk import MemoryWalk
from adapters.postgres.audit import SqlAudit
from adapters.postgres.customers import SqlCustomerLinks
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.inbox import SqlInbox
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from adapters.system.clock import SystemClock
from domain.values.accounts import UserId


@attrs.frozen
class World:
    """A ledger under test, and the coming and going of users that is none of its business."""

    ledger: MemoryLedger | SqlLedger
    inbox: MemoryInbox | SqlInbox
    outbox: MemoryOutbox | SqlInbox
    audit: MemoryAudit | SqlAudit
    walk: MemoryWalk | SqlAudit
    backlogs: MemoryLedger | SqlInbox
    sign_up: Callable[[str | None], Awaitable[UserId]]
    leave: Callable[[UserId], Awaitable[None]]
    customers: MemoryCustomerLinks | SqlCustomerLinks
    change_address: Callable[[UserId, str | None], Awaitable[None]]


@contextlib.asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    ledger = MemoryLedger(SystemClock())

    async def sign_up(email: str | None) -> UserId:
        user_id = UserId(str(uuid.uuid4()))
        ledger.add_user(user_id, email)
        return user_id

    async def leave(user_id: UserId) -> None:
        ledger.delete_user(user_id)

    async def change_address(user_id: UserId, email: str | None) -> None:
        ledger.customers.change_address(user_id, email)

    yield World(
        ledger,
        ledger.inbox,
        ledger.outbox,
        ledger.audit,
        ledger.walk,
        ledger,
        sign_up,
        leave,
        ledger.customers,
        change_address,
    )


class GroupedLedger(SqlLedger):
    """A ledger that is written and read by group commit."""

    def __init__(self, rpc: PostgresRpc | SupabaseRpc) -> None:
        super().__init__(rpc)
        group = GroupCommit(SqlLedger(rpc))
        self.read, self.commit = group.read, group.commit  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def sql_world(
    rpc: PostgresRpc | SupabaseRpc, database_url: str, kind: type[SqlLedger] = SqlLedger
) -> AsyncIterator[World]:
    connection = await asyncpg.connect(database_url)

    async def sign_up(email: str | None) -> UserId:
        found = await connection.fetchval("insert into auth.users (email) values ($1) returning id", email)
        return UserId(str(found))

    async def leave(user_id: UserId) -> None:
        await connection.execute("delete from auth.users where id = $1::uuid", user_id)

    async def change_address(user_id: UserId, email: str | None) -> None:
        await connection.execute("update public.users set email = $2 where id = $1::uuid", user_id, email)

    try:
        async with contextlib.aclosing(rpc):
            inbox, audit = SqlInbox(rpc), SqlAudit(rpc)
            customers = SqlCustomerLinks(rpc)
            yield World(kind(rpc), inbox, inbox, audit, audit, inbox, sign_up, leave, customers, change_address)
    finally:
        # One that is left open fails whichever test runs when it is collected.
        await connection.close()


Opener = Callable[[], contextlib.AbstractAsyncContextManager[World]]


@pytest.fixture(params=["memory", "postgres", "supabase", "postgres in groups"])
def open_world(request: pytest.FixtureRequest) -> Opener:
    kind = GroupedLedger if request.param.endswith("in groups") else SqlLedger
    match request.param:
        case "memory":
            return memory_world
        case "postgres" | "postgres in groups":
            url = request.getfixturevalue("database_url")
            return lambda: sql_world(PostgresRpc(url), url, kind)
        case _:
            supabase = request.getfixturevalue("supabase")
            rpc = lambda: SupabaseRpc(supabase.url, supabase.service_key)  # noqa: E731 - made inside the loop
            return lambda: sql_world(rpc(), supabase.database_url)
