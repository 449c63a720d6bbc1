"""Group commit on real ledgers: what is slow, broken, cut off or stopped harms nobody else, and loses nothing."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from adapters.batching.group_commit import GroupCommit
from adapters.batching.limits import Limits
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.changes.changes import Change, Committed, Conflict, Duplicate, Rejected, SnapshotQuery
from domain.changes.inbox import EventDecision, EventStatus
from domain.credits.idempotency import IdempotencyKey
from domain.credits.ledger import EntryKind, Posting
from domain.payments.reports import InboxEvent
from domain.ports.ledger import LedgerBusy, LedgerRefused, LedgerUnavailable
from domain.values.accounts import UserId

Opener = Callable[[], contextlib.AbstractAsyncContextManager[tuple[SqlLedger, Any]]]
LOCK = "select from public.users where id = $1 for update"


def change(user_id: UserId, *, description: str = "50 credits") -> Change:
    """A purchase's worth of credits, reported by an event of its own."""
    name = uuid.uuid4().hex
    event = InboxEvent(id=f"evt_{name}", type="checkout.session.completed", body="{}", livemode=False)
    posting = Posting(
        user_id=user_id,
        amount=50,
        kind=EntryKind.PURCHASE,
        idempotency_key=IdempotencyKey(name),
        description=description,
    )
    return Change(event=EventDecision(event=event, status=EventStatus.APPLIED), postings=(posting,))


async def sign_up(connection: Any) -> UserId:
    return UserId(str(await connection.fetchval("insert into auth.users default values returning id")))


async def balance(connection: Any, user_id: UserId) -> int:
    found: int = await connection.fetchval("select credits_balance from public.users where id = $1", user_id)
    return found


async def waits_for_a_lock(connection: Any) -> int:
    """The process of a call that waits for a lock, once one does."""
    for _ in range(5_000):
        found = await process_that_waits(connection, "Lock")
        if found is not None:
            return found
    raise AssertionError("no call waits for a lock")


@contextlib.asynccontextmanager
async def patient(connection: Any, *waits: str) -> AsyncIterator[None]:
    """Let the ledger wait a minute wherever it waits so long: on a busy machine a step of a test takes longer."""
    query = (
        "select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace and prokind = 'f'"
        " and prosrc || coalesce(array_to_string(proconfig, ' '), '') like '%' || $1 || '%'"
    )
    found = [(wait, row[0]) for wait in waits for row in await connection.fetch(query, wait)]
    before = list(dict.fromkeys(definition for _, definition in found))
    assert {*waits} == {wait for wait, _ in found}
    for definition in before:
        longer = definition
        for wait in waits:
            longer = longer.replace(f"'{wait}'", "'60s'")
        await connection.execute(longer)
    try:
        yield
    finally:
        for definition in before:
            await connection.execute(definition)


async def process_that_waits(connection: Any, what_for: str) -> int | None:
    await connection.execute("select pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
    query = (
        "select pid from pg_stat_activity where wait_event_type = $1 and datname = current_database()"
        " and query like '%ledger_commit%'"
    )
    found: int | None = await connection.fetchval(query, what_for)
    return found


@pytest.fixture(params=["postgres", "supabase"])
def on_ledger(request: pytest.FixtureRequest) -> Opener:
    """Opens a ledger, and a connection of the owner's beside it."""
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        opened: Callable[[], PostgresRpc | SupabaseRpc] = lambda: PostgresRpc(url)  # noqa: E731 - made inside the loop
    else:
        supabase = request.getfixturevalue("supabase")
        url = supabase.database_url
        opened = lambda: SupabaseRpc(supabase.url, supabase.service_key)  # noqa: E731 - likewise

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[tuple[SqlLedger, Any]]:
        async with contextlib.aclosing(opened()) as rpc, connected(url) as connection:
            yield SqlLedger(rpc), connection

    return opening


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_a_change_that_breaks_the_whole_call_fails_alone(on_ledger: Opener, text: str) -> None:
    """No database takes a NUL, or half a character: such a call fails whole, and only that change is refused."""
    async with on_ledger() as (ledger, connection):
        user = await sign_up(connection)
        group = GroupCommit(ledger, commits=Limits(calls=1, requests=100))
        changes = [change(user) for _ in range(40)]
        bad = change(user, description=text)
        with pytest.raises(LedgerRefused):
            await ledger.commit([*changes, bad])
        results = await asyncio.gather(*(group.commit([one]) for one in [*changes[:20], bad, *changes[20:]]))
        kinds = [type(result) for (result,) in results]
        assert [Committed] * 20 + [Rejected] + [Committed] * 20 == kinds
        assert 40 * 50 == await balance(connection, user)
        await group.aclose()


async def test_a_locked_account_holds_up_only_its_own_call(on_ledger: Opener) -> None:
    """While somebody holds an account's lock, others are written; then the account's are, in their order."""
    async with on_ledger() as (ledger, connection), patient(connection, "50ms"):
        locked, other = await sign_up(connection), await sign_up(connection)
        group = GroupCommit(ledger)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(LOCK, locked)
        stuck = [change(locked) for _ in range(5)]
        waiting = [asyncio.ensure_future(group.commit([one])) for one in stuck[:1]]
        await waits_for_a_lock(connection)
        waiting += [asyncio.ensure_future(group.commit([one])) for one in stuck[1:]]
        results = await asyncio.gather(*(group.commit([change(other)]) for _ in range(30)))
        assert {Committed} == {type(result) for (result,) in results}
        assert [False] * 5 == [one.done() for one in waiting]
        await transaction.rollback()
        reported = await asyncio.gather(*waiting)
        assert [Committed] * 5 == [type(result) for (result,) in reported]
        keys = "select idempotency_key from public.credit_transactions where user_id = $1 order by version"
        written = [row["idempotency_key"] for row in await connection.fetch(keys, locked)]
        assert [one.postings[0].idempotency_key for one in stuck] == written
        await group.aclose()


@pytest.mark.parametrize(("held", "others"), [(1, 0), (1, 60), (8, 60)])
async def test_locked_accounts_are_reported_of_and_those_of_their_call_are_written(
    on_ledger: Opener, held: int, others: int
) -> None:
    """Nobody lets go: the call does not wait for it, and writes what needs no such lock."""
    async with on_ledger() as (ledger, connection):
        locked, free = [await sign_up(connection) for _ in range(held)], await sign_up(connection)
        users = [*[free] * others, *locked, *[free] * others]
        transaction = connection.transaction()
        await transaction.start()
        for user in locked:
            await connection.execute(LOCK, user)
        results = await ledger.commit([change(user) for user in users])
        expected = [Conflict("locked") if user in locked else Committed for user in users]
        assert expected == [type(one) if isinstance(one, Committed) else one for one in results]
        await transaction.rollback()
        assert {Committed} == {type(result) for result in await ledger.commit([change(user) for user in users])}
        assert others * 2 * 50 * 2 == await balance(connection, free)


@pytest.mark.parametrize("held", [1, 16])
async def test_events_that_somebody_writes_hold_up_no_others(on_ledger: Opener, held: int) -> None:
    """Whether the same events will be there, only the other transaction's end tells; no other change waits for it."""
    async with on_ledger() as (ledger, connection):
        user = await sign_up(connection)
        changes = [change(user) for _ in range(64)]
        transaction = connection.transaction()
        await transaction.start()
        for one in changes[:: 64 // held]:
            await connection.execute(
                "insert into public.webhook_events (id, type, livemode, status, body)"
                " values ($1, 'x', false, 'ignored', '')",
                one.event.event.id if one.event else None,
            )
        results = await ledger.commit(changes)
        found = [place for place, result in enumerate(results) if not isinstance(result, Committed)]
        assert {*range(0, 64, 64 // held)} <= {*found}
        assert [Conflict] * len(found) == [type(results[place]) for place in found]
        assert held > 1 or [0] == found
        await transaction.rollback()
        assert {Committed} == {type(result) for result in await ledger.commit([changes[place] for place in found])}
        assert 64 * 50 == await balance(connection, user)


async def test_a_caller_that_goes_away_takes_nobody_along(on_ledger: Opener) -> None:
    """What is in flight is written for all, also for the one who does not wait any more; what was not sent is not."""
    async with on_ledger() as (ledger, connection):
        user = await sign_up(connection)
        group = GroupCommit(ledger)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(LOCK, user)
        calls = [asyncio.ensure_future(group.commit([change(user)])) for _ in range(10)]
        await waits_for_a_lock(connection)
        unsent = asyncio.ensure_future(group.commit([change(user)]))
        await asyncio.wait([unsent], timeout=0)
        calls[3].cancel()
        unsent.cancel()
        await transaction.rollback()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(results.pop(3), asyncio.CancelledError)
        assert {Committed} == {type(result) for (result,) in results}  # type: ignore[misc]
        await group.aclose()
        assert 10 * 50 == await balance(connection, user)


async def test_what_was_accepted_is_written_before_the_end(on_ledger: Opener) -> None:
    """Closing waits for what was accepted, and refuses what comes after."""
    async with on_ledger() as (ledger, connection):
        user = await sign_up(connection)
        group = GroupCommit(ledger, commits=Limits(calls=1, requests=3))
        calls = [asyncio.ensure_future(group.commit([change(user)])) for _ in range(10)]
        await asyncio.wait(calls, timeout=0)
        await group.aclose()
        assert {Committed} == {type(result) for (result,) in await asyncio.gather(*calls)}
        with pytest.raises(LedgerBusy):
            await group.commit([change(user)])
        assert 10 * 50 == await balance(connection, user)


async def test_a_connection_that_breaks_leaves_all_of_a_call_in_doubt(database_url: str) -> None:
    """All that were in it are told that the outcome is unknown; reported again, each counts once."""
    async with contextlib.aclosing(PostgresRpc(database_url)) as rpc, connected(database_url) as connection:
        user = await sign_up(connection)
        group = GroupCommit(SqlLedger(rpc))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(LOCK, user)
        changes = [change(user) for _ in range(10)]
        calls = [asyncio.ensure_future(group.commit([one])) for one in changes]
        await connection.execute("select pg_terminate_backend($1)", await waits_for_a_lock(connection))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {LedgerUnavailable} == {type(outcome) for outcome in outcomes}
        await transaction.rollback()
        again = await asyncio.gather(*(group.commit([one]) for one in changes))
        assert {Committed} == {type(result) for (result,) in again}
        assert 10 * 50 == await balance(connection, user)
        await group.aclose()


async def test_a_lost_answer_leaves_all_of_a_call_in_doubt(supabase: Any) -> None:
    """The call was written and nobody heard of it: reported again, every change is known to be written already."""
    async with (
        contextlib.aclosing(SupabaseRpc(supabase.url, supabase.service_key)) as rpc,
        connected(supabase.database_url) as connection,
    ):
        user = await sign_up(connection)
        group = GroupCommit(SqlLedger(rpc))
        changes = [change(user) for _ in range(10)]
        supabase.gateway.lose_answers(1)
        calls = [group.commit([one]) for one in changes]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {LedgerUnavailable} == {type(outcome) for outcome in outcomes}
        again = await asyncio.gather(*(group.commit([one]) for one in changes))
        assert {Duplicate} == {type(result) for (result,) in again}
        assert 10 * 50 == await balance(connection, user)
        await group.aclose()


async def test_readers_share_a_call(database_url: str) -> None:
    """Each of many readers of one moment gets its own answer."""
    async with contextlib.aclosing(PostgresRpc(database_url)) as rpc, connected(database_url) as connection:
        users = [await sign_up(connection) for _ in range(20)]
        group = GroupCommit(SqlLedger(rpc))
        await group.commit([change(user) for user in users])
        reads = (group.read(SnapshotQuery(user_id=user)) for user in users)
        found = await asyncio.gather(*reads)
        assert users == [snapshot.account.user_id for snapshot in found if snapshot.account]
        assert {50} == {snapshot.account.balance for snapshot in found if snapshot.account}
        await group.aclose()
