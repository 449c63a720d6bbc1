"""The walk by which the cache follows the ledger: no commit is left out, however late it is."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache
from adapters.postgres.audit import SqlAudit
from adapters.postgres.direct_rpc import PostgresRpc
from domain.usecases.refresh_cache import CacheRefresher
from domain.values.accounts import UserId
from migrations.tests.books import Books, entry, in_database

BY_HIGHEST_NUMBER = """
    create or replace function public.credence_changes(mark pg_snapshot, most integer)
    returns table (xid bigint, user_id uuid, changed_at timestamptz) language sql stable set search_path = '' as $$
        select t.xid, t.user_id, t.created_at from public.credit_transactions t
        where t.xid >= pg_snapshot_xmax(mark)::text::bigint order by t.xid limit most
    $$
"""
BY_CLOCK = """
    alter table public.cache_walks add column walked_at timestamptz not null default '-infinity';
    create function public.note_time() returns trigger language plpgsql as $$
        begin
            if new.mark::text is distinct from old.mark::text then new.walked_at := clock_timestamp(); end if;
            return new;
        end
    $$;
    create trigger note_time before update on public.cache_walks for each row execute function public.note_time();
    create or replace function public.credence_changes(mark pg_snapshot, most integer)
    returns table (xid bigint, user_id uuid, changed_at timestamptz) language sql stable set search_path = '' as $$
        select t.xid, t.user_id, t.created_at from public.credit_transactions t, public.cache_walks w
        where t.created_at > w.walked_at order by t.xid limit most
    $$
"""


@attrs.frozen
class Walk:
    """A database's walk, on a connection of its own."""

    books: Books

    async def page(self, size: int = 1000) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self.books.call("accounts_changed", size, 60)
        return found

    async def step(self, size: int = 1000) -> set[str] | None:
        """Walk one page; return its users, or None if any account may have changed."""
        page = await self.page(size)
        if page is None:
            return set()
        assert await self.books.call("accounts_walked", page["since"], page["until"])
        return None if page["is_everything"] else {account["user_id"] for account in page["accounts"]}


@contextlib.asynccontextmanager
async def walking(url: str) -> AsyncIterator[Walk]:
    """A database whose walk has seen all that is there."""
    async with in_database(url) as books:
        walk = Walk(books)
        while await walk.step() != set():
            pass
        yield walk


@contextlib.asynccontextmanager
async def held(url: str, *users: str) -> AsyncIterator[Any]:
    """A commit for each of the users in a transaction that stays open until the end of the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for user in users:
                await buy(Books(connection), user)
            yield connection
    finally:
        await connection.close()


async def buy(books: Books, user: str) -> None:
    assert "committed" == await books.outcome(entries=[entry(user, 50, "goodwill")])


async def test_a_commit_that_is_late_is_walked_when_it_comes(database_url: str) -> None:
    """Others that began after it were walked before; they don't come again while it stays open, or after it."""
    async with walking(database_url) as walk:
        late, early = await walk.books.sign_up(), await walk.books.sign_up()
        async with held(database_url, late):
            for _ in range(3):
                await buy(walk.books, early)
                assert {early} == await walk.step()
                assert set() == await walk.step()
        assert {late} == await walk.step()
        assert set() == await walk.step()


@pytest.mark.parametrize("mark", [BY_HIGHEST_NUMBER, BY_CLOCK], ids=["by the highest number", "by the clock"])
async def test_a_simpler_mark_would_lose_it(database_url: str, mark: str) -> None:
    """The test above can fail."""
    async with walking(database_url) as walk:
        late, early = await walk.books.sign_up(), await walk.books.sign_up()
        await walk.books.connection.execute(mark)
        async with held(database_url, late):
            await buy(walk.books, early)
            assert {early} == await walk.step()
        assert set() == await walk.step()


async def test_a_commit_is_late_in_the_middle_of_pages(database_url: str) -> None:
    """Whether its page is before, within or after those that are walked meanwhile."""
    async with walking(database_url) as walk:
        first, second, *others = [await walk.books.sign_up() for _ in range(8)]
        async with held(database_url, first):
            for other in others[:3]:
                await buy(walk.books, other)
            async with held(database_url, second):
                for other in others[3:]:
                    await buy(walk.books, other)
                seen = [await walk.step(1) for _ in range(4)]
            seen += [await walk.step(2) for _ in range(3)]
        seen += [await walk.step(1) for _ in range(3)]
        assert sorted([{user} for user in (first, second, *others)], key=str) == sorted(
            [{user} for page in seen for user in page or ()], key=str
        )
        assert set() == seen[-1]


async def test_what_begins_and_ends_while_a_page_is_read_is_walked(database_url: str) -> None:
    """A page that is held up sees commits after its snapshot; what is open by then is left for the next one."""
    async with walking(database_url) as walk, in_database(database_url) as writer:
        late, *others = [await writer.sign_up() for _ in range(3)]
        locker = await asyncpg.connect(database_url)
        async with locker.transaction():
            await locker.execute("lock table public.cache_walks in access exclusive mode")
            reading = asyncio.create_task(walk.page(1))
            waits = (
                "select exists (select from pg_locks where not granted and relation = 'public.cache_walks'::regclass)"
            )
            while not await locker.fetchval(waits):
                pass
            transaction = held(database_url, late)
            await transaction.__aenter__()
            for user in others:
                await buy(writer, user)
        page = await reading
        assert page is not None
        assert await walk.books.call("accounts_walked", page["since"], page["until"])
        await transaction.__aexit__(None, None, None)
        assert {late} in [await walk.step(1) for _ in range(4)]
        await locker.close()


async def test_a_large_transaction_stands_for_every_account(database_url: str) -> None:
    """So that no answer grows with it; those after it come in pages again."""
    async with walking(database_url) as walk:
        users = [await walk.books.sign_up() for _ in range(4)]
        async with held(database_url, *users[:3]):
            await buy(walk.books, users[3])
        assert [None, {users[3]}, set()] == [await walk.step(2) for _ in range(3)]


@pytest.mark.parametrize(
    "numbers", ["mark", "'9000000000:9000000000:'::pg_snapshot"], ids=["of another database", "of the future"]
)
async def test_a_restored_mark_says_nothing(database_url: str, numbers: str) -> None:
    """Its numbers are those of another database's transactions: each line of the cache is compared once."""
    async with walking(database_url) as walk:
        user = await walk.books.sign_up()
        await walk.books.connection.execute(
            f"create table dumped as select is_only, {numbers} as mark, marked_by, marked_at, leased_until"
            " from public.cache_walks"
            "; delete from public.cache_walks; insert into public.cache_walks select * from dumped"
        )
        await buy(walk.books, user)
        assert [None, set()] == [await walk.step() for _ in range(2)]
        await buy(walk.books, user)
        assert [{user}, set()] == [await walk.step() for _ in range(2)]


async def test_restored_entries_of_higher_numbers_do_not_come_for_ever(database_url: str) -> None:
    """They are of transactions that are yet to come, to go by their numbers."""
    async with walking(database_url) as walk:
        user = await walk.books.sign_up()
        await buy(walk.books, user)
        await walk.step()
        async with walk.books.connection.transaction():
            await walk.books.connection.execute("set local session_replication_role = replica")
            await walk.books.connection.execute("update public.credit_transactions set xid = 9000000000")
        assert set() == await walk.step()


async def test_restored_entries_do_not_make_the_cache_look_old(database_url: str) -> None:
    """When the numbers of transactions come to theirs, the cache is behind by no more than its last walk."""
    async with walking(database_url) as walk:
        user, connection = await walk.books.sign_up(), walk.books.connection
        await buy(walk.books, user)
        await walk.step()
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            restored = "update public.credit_transactions set created_at = '2020-01-01', xid ="
            await connection.execute(f"{restored} pg_current_xact_id()::text::bigint")
        assert 60 > (await walk.books.call("credence_backlog"))["cache_behind_seconds"]
        await connection.execute("set session_replication_role = replica; delete from public.credit_transactions")
        await connection.execute("delete from public.users")


async def test_a_walk_reads_a_page_and_no_more(database_url: str) -> None:
    """Among thousands of entries that it has seen, and many that it has not, while an older transaction is open."""
    async with walking(database_url) as walk:
        connection, users = walk.books.connection, [await walk.books.sign_up() for _ in range(3)]
        rows = (
            "insert into public.credit_transactions (user_id, version, amount, balance_before, balance_after, kind,"
            " idempotency_key, hash, xid) select gen_random_uuid(), 1, 1, 0, 1, 'grant', gen_random_uuid(), '',"
            " -n from generate_series(1, 20000) n"
        )

        async def page_is_read(size: int) -> set[str] | None:
            await connection.execute("select pg_stat_force_next_flush()")
            async with connection.transaction():
                seen = await walk.step(size)
                read = await connection.fetchrow(
                    "select sum(seq_scan) as whole, sum(idx_tup_fetch) filter (where relname = 'credit_transactions')"
                    " as entries from pg_stat_xact_user_tables where relname = any ($1)",
                    ["users", "credit_transactions", "credit_holds", "account_revisions"],
                )
            assert 0 == read["whole"]
            assert read["entries"] <= 2 * (size + 1)
            return seen

        async with held(database_url, users[0]):
            await connection.execute(rows)
            await buy(walk.books, users[1])
            assert {users[1]} == await page_is_read(10)
            for _ in range(30):
                await buy(walk.books, users[2])
            assert {users[2]} == await page_is_read(10)
        await connection.execute("set session_replication_role = replica; delete from public.credit_transactions")
        await connection.execute("delete from public.users")


async def test_the_cache_converges_while_many_commit_and_some_are_late(database_url: str) -> None:
    """Nobody stores what they commit here, as if all of them died at once; two workers walk all the time."""
    rpc, cache = PostgresRpc(database_url), MemoryQuotaCache()
    async with contextlib.aclosing(rpc), in_database(database_url) as books:
        users = [await books.sign_up() for _ in range(8)]
        audit = SqlAudit(rpc)
        refresher = CacheRefresher(walk=audit, audit=audit, cache=cache)
        done = asyncio.Event()

        async def commits(number: int) -> None:
            connection = await asyncpg.connect(database_url)
            for turn in range(24):
                async with connection.transaction():
                    await buy(Books(connection), users[2 * number + turn % 2])
                    for _ in range(number * 5):
                        await connection.execute("select 1")
            await connection.close()

        async def walks() -> None:
            while not done.is_set():
                await refresher.run_once()

        walkers = [asyncio.create_task(walks()) for _ in range(2)]
        await asyncio.gather(*(commits(number) for number in range(4)))
        done.set()
        await asyncio.gather(*walkers)
        while await refresher.run_once():
            pass
        for user in users:
            copy, account = await cache.find(UserId(user)), await books.call("account_read", uuid.UUID(user))
            assert copy is not None
            assert (account["revision"], account["balance"]) == (copy.revision, copy.balance), json.dumps(account)
