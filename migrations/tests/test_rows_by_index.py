"""What a call does is bounded by what it is about, not by how much there is: none reads a table whole."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from features.real_parts import execute

ACCOUNTS = 5_000
MADE = f"select ('00000000-0000-4000-8000-' || (100000000000 + n))::uuid as id, n from generate_series(1, {ACCOUNTS}) n"
BULK = f"""
    set local session_replication_role = replica;
    insert into public.users (id, credits_balance, credits_version) select id, 50, 1 from ({MADE}) made;
    insert into public.credit_grants (user_id, kind, credits, remaining)
        select id, 'grant', 50, 50 from ({MADE}) made, generate_series(1, 4);
    insert into public.credit_requests (key_digest, user_id, content, answer)
        select public.credence_key_digest('key:' || n || ' ' || part), id, '{{}}', '{{}}'
        from ({MADE}) made, generate_series(1, 4) part;
    insert into public.credit_holds (id, user_id, credits, status, idempotency_key, expires_at, draws)
        select id, id, 1, 'voided', n::text, now(), '[]' from ({MADE}) made;
    insert into public.purchases (id, user_id, credits, amount, currency, payment_status, facts, revision)
        select 'p' || n || ' ' || part, id, 50, 500, 'usd', 'paid', '{{}}', 1
        from ({MADE}) made, generate_series(1, 4) part;
    insert into public.purchase_links (link_digest, purchase_id)
        select public.credence_key_digest('of ' || id), id from public.purchases;
    insert into public.subscriptions (id, user_id, facts, revision) select 's' || n, id, '{{}}', 1 from ({MADE}) made;
    insert into public.webhook_events (id, type, livemode, status, body)
        select 'e' || id, 't', false, 'applied', '{{}}' from public.purchases;
    set local session_replication_role = origin;
"""
TABLES = (
    "users",
    "credit_grants",
    "credit_requests",
    "credit_holds",
    "purchases",
    "purchase_links",
    "subscriptions",
    "webhook_events",
)


PLANS = 10
"""Postgres keeps a plan after five of its kind."""


class Database:
    """One that has thousands of rows, until the end of its transaction."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.users: list[str] = []

    async def call(self, function: str, argument: Any) -> Any:
        return json.loads(await self.connection.fetchval(f"select public.{function}($1)", json.dumps(argument)))

    async def select(self, function: str, *arguments: Any) -> None:
        places = ", ".join(f"${place}" for place in range(1, len(arguments) + 1))
        prepared = await self.connection.prepare(f"select public.{function}({places})")
        found = await prepared.fetchval(*arguments)
        assert found

    async def commit(self, changes: list[dict[str, Any]]) -> None:
        assert ["committed"] * len(changes) == [one["status"] for one in await self.call("ledger_commit", changes)]

    async def read_whole(self) -> dict[str, int]:
        """How often each table was read from its beginning to its end."""
        rows = await self.connection.fetch("select relname, seq_scan from pg_stat_xact_user_tables")
        return {row["relname"]: row["seq_scan"] for row in rows if row["relname"] in TABLES}


@contextlib.asynccontextmanager
async def much_there(url: str, several: int, *, suddenly: bool = False) -> AsyncIterator[Database]:
    """A database with some users who have 50 credits, among many others; suddenly, they came after plans were made."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    database = Database(connection)
    try:
        for _ in range(several):
            database.users.append(str(await connection.fetchval("insert into auth.users default values returning id")))
        await database.commit([{"entries": [entry(user, 50, "goodwill")]} for user in database.users])
        if suddenly:
            await analyze(connection)
            for _ in range(PLANS):
                await read(database)
            await execute(url, BULK)  # what it sets makes a connection forget its plans
        else:
            await connection.execute(BULK)
            await analyze(connection)
        yield database
    finally:
        await transaction.rollback()
        await connection.close()


async def analyze(connection: Any) -> None:
    for table in TABLES:
        await connection.execute(f"analyze public.{table}")


async def read(database: Database) -> None:
    """What comes before each decision."""
    users = database.users
    await database.call(
        "accounts_read_for_spending", {"user_ids": users, "keys": [f"key:{user}" for user in users], "hold_ids": users}
    )
    await database.call(
        "ledger_read_all",
        [{"event_id": f"e {user}", "user_id": user, "links": [f"s {user}"], "claims": True} for user in users],
    )


def entry(user: str, amount: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "amount": amount, "kind": kind, "idempotency_key": f"{kind} {user}", **more}


async def spend_and_hold(database: Database) -> None:
    """Read accounts, spend, set aside, capture."""
    users = database.users
    query = {"user_ids": users, "keys": [f"key:{user}" for user in users], "hold_ids": users}
    wallets = (await database.call("accounts_read_for_spending", query))["wallets"]
    draws = {found["account"]["user_id"]: [{"grant": found["grants"][0]["id"], "credits": 5}] for found in wallets}
    await database.commit(
        [
            {
                "entries": [entry(user, -5, "spend", draws=draws[user])],
                "request": {"key": f"key:{user}", "user_id": user, "content": {}, "answer": {}},
            }
            for user in users
        ]
    )
    holds = [
        {
            "id": str(uuid.uuid4()),
            "user_id": user,
            "credits": 5,
            "status": "open",
            "draws": draws[user],
            "idempotency_key": f"h {user}",
            "expires_at": "2100-01-01T00:00:00Z",
        }
        for user in users
    ]
    await database.commit([{"holds": [hold]} for hold in holds])
    await database.commit(
        [
            {
                "holds": [{**hold, "status": "captured", "captured": 5}],
                "entries": [entry(str(hold["user_id"]), -5, "capture", draws=hold["draws"])],
            }
            for hold in holds
        ]
    )


async def sell_and_learn_more(database: Database) -> None:
    """Record purchases, then a further fact and a further link of each."""
    for revision in range(2):
        queries = [
            {"event_id": f"e{revision} {user}", "user_id": user, "links": [f"s {user}"]} for user in database.users
        ]
        found = await database.call("ledger_read_all", queries)
        assert [revision] * len(found) == [len(one["purchases"]) for one in found]
        await database.commit(
            [
                {
                    "event": {
                        "id": f"e{revision} {user}",
                        "type": "t",
                        "livemode": False,
                        "status": "applied",
                        "body": "{}",
                    },
                    "purchase": {
                        "id": f"new {user}",
                        "expected_revision": revision,
                        "user_id": user,
                        "payment_status": "paid",
                        "facts": {"links": [f"s {user}", f"p{revision} {user}"]},
                    },
                    "entries": [] if revision else [entry(user, 50, "purchase", purchase_id=f"new {user}")],
                }
                for user in database.users
            ]
        )


async def bill_line_by_line(database: Database) -> None:
    """Read the subscription's other invoices and what the account has had; change two of them, and when one ends."""
    period = {"period_ends_at": "2100-06-01T12:00:00+00:00"}
    since = {"periods_since": "2100-05-01T00:00:00Z", "claims": True}
    for revision in range(3):
        queries = [
            {"user_id": user, "links": [f"i {user}"] * revision, "subscription_id": f"sub {user}", **since}
            for user in database.users
        ]
        for found in await database.call("ledger_read_all", queries):
            assert revision == len(found["family"])
        await database.commit([_invoiced(user, revision, period) for user in database.users])


def _invoiced(user: str, revision: int, period: dict[str, str]) -> dict[str, Any]:
    def invoice(id_: str, expected: int) -> dict[str, Any]:
        times = {"starts_at": "2100-05-01T12:00:00Z", "ends_at": period["period_ends_at"]}
        known = {"id": f"{id_} {user}", "expected_revision": expected, "user_id": user, "payment_status": "paid"}
        return {**known, **times, "subscription_id": f"sub {user}", "facts": {"links": [f"{id_} {user}"]}}

    of_period = {"purchase_id": f"i {user}", "metadata": period}
    if revision == 0:
        return {"purchase": invoice("i", 0), "entries": [entry(user, 50, "purchase", **of_period)]}
    end = {"user_id": user, "purchase_id": f"i {user}", **period, "expires_at": "2100-07-01T12:00:00Z"}
    taken = {**entry(user, -5, "clawback", **of_period), "idempotency_key": f"clawback {revision} {user}"}
    return {
        "purchase": invoice(f"j{revision}", 0),
        "others": [invoice("i", revision)],
        "entries": [taken],
        "ends": [end],
    }


async def take_back_and_look(database: Database) -> None:
    """Claw back what was sold, credit a debt, and read what pages and operators read."""
    await sell_and_learn_more(database)
    for user in database.users:
        bought = {"purchase_id": f"new {user}"}
        await database.commit([{"entries": [entry(user, -50, "clawback", **bought)]}])
        await database.commit([{"entries": [entry(user, 50, "reinstatement", **bought)]}])
        await database.select("account_record", user)
        await database.select("account_transactions", user, None, 50, "{}")
        await database.select("account_subscriptions", user)
        await database.select("balance_at", user, "now")
    await database.call("accounts_of", database.users)
    await database.call("inbox_known", [f"e0 {user}" for user in database.users])


@pytest.mark.parametrize("act", [spend_and_hold, sell_and_learn_more, take_back_and_look, bill_line_by_line])
@pytest.mark.parametrize("several", [1, 3], ids=["one", "three"])
async def test_no_table_is_read_whole(
    database_url: str, several: int, act: Callable[[Database], Awaitable[None]]
) -> None:
    """All goes by indexes, also where a table has but some thousands of rows."""
    async with much_there(database_url, several) as database:
        before = await database.read_whole()
        await act(database)
        assert before == await database.read_whole()


@pytest.mark.parametrize("act", [spend_and_hold, sell_and_learn_more, bill_line_by_line])
@pytest.mark.parametrize("several", [1, 3], ids=["one", "three"])
async def test_no_table_is_read_whole_that_has_grown(
    database_url: str, several: int, act: Callable[[Database], Awaitable[None]]
) -> None:
    """Nor by plans that were made while it had a row or two."""
    async with much_there(database_url, several, suddenly=True) as database:
        before = await database.read_whole()
        await act(database)
        assert before == await database.read_whole()


LARGE_ACCOUNT = """
    set local session_replication_role = replica;
    insert into public.users (id, credits_balance, credits_version) values ($1, 6000, 6000);
    insert into public.purchases (id, user_id, plan_id, credits, amount, currency, payment_status, facts, revision)
        select 'pi_' || n, $1, 'starter', 1, 500, 'usd', 'paid', '{}', 1 from generate_series(1, 60) n;
    insert into public.credit_transactions (
        user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id, hash
    )
        select $1, n, 1, n - 1, n, 'purchase', 'k' || n, 'pi_' || n / 100, '' from generate_series(1, 6000) n;
"""
READ_BY_INDEX = "select idx_tup_fetch from pg_stat_xact_user_tables where relname = 'credit_transactions'"


async def test_a_page_of_a_large_account_reads_no_entry_often(database_url: str) -> None:
    """What is posted of each purchase is summed of its own entries, and the page's entries are read once."""
    connection, user = await asyncpg.connect(database_url), uuid.uuid4()
    transaction = connection.transaction()
    await transaction.start()
    try:
        for statement in LARGE_ACCOUNT.split(";")[:-1]:
            await connection.execute(statement.replace("$1", f"'{user}'"))
        for table in ("credit_transactions", "purchases", "credit_grants"):
            await connection.execute(f"analyze public.{table}")
        before = await connection.fetchval(READ_BY_INDEX)
        page = json.loads(await connection.fetchval("select public.account_record($1)", user))
        assert (200, 60) == (len(page["entries"]), len(page["purchases"]))
        assert await connection.fetchval(READ_BY_INDEX) - before < 2 * 6000
    finally:
        await transaction.rollback()
        await connection.close()
