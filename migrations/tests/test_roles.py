"""Who may do what, with the real roles: anon, authenticated, service_role, and the owner."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

READABLE = [
    "credit_draws",
    "credit_grants",
    "credit_holds",
    "credit_ledgers",
    "credit_transactions",
    "subscriptions",
    "users",
]
"""The tables that a user may read, by name."""
COLUMNS = ("credits_balance", "credits_held", "credits_version", "credits_revision", "credits_notify_below")
Connection = asyncpg.Connection[Any] if hasattr(asyncpg.Connection, "__class_getitem__") else asyncpg.Connection


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Any]:
    """Open a connection of the owner's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def sign_up(connection: Any, email: str) -> uuid.UUID:
    found: uuid.UUID = await connection.fetchval("insert into auth.users (email) values ($1) returning id", email)
    return found


async def buy(connection: Any, user_id: uuid.UUID, amount: int = 50) -> None:
    """Post a purchase of a payment of its own."""
    payment = f"pi_{uuid.uuid4().hex}"
    await commit(connection, entry(user_id, amount, "purchase", payment))


def entry(user_id: uuid.UUID, amount: int, kind: str, payment: str | None = None) -> dict[str, Any]:
    return {
        "user_id": str(user_id),
        "amount": amount,
        "kind": kind,
        "idempotency_key": uuid.uuid4().hex,
        "purchase_id": payment,
        "stripe_session_id": f"cs_{payment}",
    }


async def commit(connection: Any, *entries: dict[str, Any]) -> str:
    change = {"event": None, "purchase": None, "entries": list(entries), "outbox": []}
    (answer,) = json.loads(await connection.fetchval("select public.ledger_commit($1)", json.dumps([change])))
    return str(answer.get("reason", answer["status"]))


async def act_as(connection: Any, role: str, user_id: uuid.UUID | None = None) -> None:
    claims = json.dumps({"sub": str(user_id), "role": role} if user_id else {"role": role})
    await connection.execute("select set_config('request.jwt.claims', $1, false)", claims)
    await connection.execute(f"set role {role}")


async def is_refused(connection: Any, statement: str, *arguments: object) -> bool:
    """Whether the statement fails for want of rights, or touches no row."""
    try:
        touched = await connection.execute(statement, *arguments)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return str(touched).endswith(" 0")


async def test_a_user_reads_own_rows_alone(database_url: str) -> None:
    """A signed-in user sees their account, entries and grants, and nobody else's."""
    async with in_database(database_url) as connection:
        ada, bob = await sign_up(connection, "ada@example.com"), await sign_up(connection, "bob@example.com")
        await buy(connection, ada)
        await buy(connection, bob, 70)
        await act_as(connection, "authenticated", ada)
        assert [(ada, 50)] == [
            tuple(row) for row in await connection.fetch("select id, credits_balance from public.users")
        ]
        assert [50] == [
            row["amount"] for row in await connection.fetch("select amount from public.credit_transactions")
        ]
        assert [50] == [
            row["remaining"] for row in await connection.fetch("select remaining from public.credit_grants")
        ]


async def test_a_user_does_not_read_the_machinery(database_url: str) -> None:
    """Users may read the tables that row level security shows them their own rows of, and no other."""
    async with in_database(database_url) as connection:
        known = [table["name"] for table in await tables(connection)]
        await act_as(connection, "authenticated", await sign_up(connection, "ada@example.com"))
        readable = []
        for table in known:
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select * from public.{table}")
                readable.append(table)
        assert READABLE == readable


async def tables(connection: Any) -> list[Any]:
    """Every table of the schema, as the catalogue has it: in a bare project all of them are ours."""
    found = await connection.fetch(
        "select oid, relname as name, relrowsecurity, obj_description(oid, 'pg_class') as comment from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by relname"
    )
    assert {"users", "credit_transactions", "account_revisions", "synthetic_users"} <= {row["name"] for row in found}
    return list(found)


async def test_anon_reads_nothing(database_url: str) -> None:
    """Who has not signed in may not even ask."""
    async with in_database(database_url) as connection:
        known = await tables(connection)
        await act_as(connection, "anon")
        for table in known:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select * from public.{table['name']}")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_users_write_nothing(database_url: str, role: str) -> None:
    """Neither insert, update, delete nor truncate is granted to users, on no table, no column and no sequence."""
    async with in_database(database_url) as connection:
        for table in await tables(connection):
            for right in ("insert", "update", "delete", "truncate", "references", "trigger"):
                query = "select has_table_privilege($1, $2::oid, $3)"
                assert not await connection.fetchval(query, role, table["oid"], right), (table["name"], right)
            for right in ("insert", "update"):
                query = "select has_any_column_privilege($1, $2::oid, $3)"
                assert not await connection.fetchval(query, role, table["oid"], right), (table["name"], right)
        granted = await connection.fetch(
            "select oid::regclass::text as name from pg_class where relnamespace = 'public'::regnamespace"
            " and case when relkind = 'S' then has_sequence_privilege($1, oid, 'usage, select, update') end",
            role,
        )
        assert [] == granted


async def test_a_user_reads_only_what_a_policy_is_made_for(database_url: str) -> None:
    """A table that users may read has a policy that says which rows; the others are not granted to them at all."""
    async with in_database(database_url) as connection:
        readable = {
            table["name"]
            for table in await tables(connection)
            if await connection.fetchval("select has_table_privilege('authenticated', $1::oid, 'select')", table["oid"])
        }
        policies = await connection.fetch(
            "select c.relname as name, p.polcmd = 'r' as reads, p.polpermissive as permits,"
            " p.polroles::regrole[]::text[] as roles from pg_policy p join pg_class c on c.oid = p.polrelid"
        )
        assert readable == {policy["name"] for policy in policies}
        assert {(True, True, ("authenticated",))} == {
            (policy["reads"], policy["permits"], tuple(policy["roles"])) for policy in policies
        }


async def test_the_usual_policy_opens_nothing(database_url: str) -> None:
    """Not even where a project lets its users update and insert their own row can they give themselves credits."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await connection.execute("create policy own_update on public.users for update using (auth.uid() = id)")
        await connection.execute("create policy own_insert on public.users for insert with check (auth.uid() = id)")
        await act_as(connection, "authenticated", ada)
        assert await is_refused(connection, "update public.users set credits_balance = 1000000 where id = $1", ada)
        assert await is_refused(connection, "update public.users set email = 'x' where id = $1", ada)
        await connection.execute("reset role")
        # What many guides tell a project to do when it meets 'permission denied'.
        await connection.execute("grant all on all tables in schema public to authenticated")
        await act_as(connection, "authenticated", ada)
        for column in COLUMNS:
            assert await is_refused(connection, f"update public.users set {column} = 1000000 where id = $1", ada), (
                column
            )
        insert = "insert into public.users (id, credits_balance) values ($1, 1000000)"
        assert await is_refused(connection, "delete from public.users where id = $1", ada)
        await connection.execute("reset role")
        await connection.execute("delete from public.users where id = $1", ada)
        await act_as(connection, "authenticated", ada)
        assert await is_refused(connection, insert, ada)


@pytest.mark.parametrize("role", ["postgres", "service_role"])
@pytest.mark.parametrize(
    "statement",
    [
        "update public.credit_transactions set amount = amount",
        "delete from public.credit_transactions",
        "truncate public.credit_transactions",
        "update public.credit_transactions set amount = 1 where false",
        "update public.credit_draws set credits = credits",
        "delete from public.credit_draws",
        "truncate public.credit_draws",
        "update public.credit_requests set answer = answer",
        "delete from public.credit_requests",
        "truncate public.credit_requests",
    ],
)
async def test_nobody_changes_the_audit_trail(database_url: str, role: str, statement: str) -> None:
    """Neither the service nor the owner can update, delete or truncate entries."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await buy(connection, ada)
        await connection.execute(
            "insert into public.credit_requests (key_digest, user_id, content, answer)"
            " values (gen_random_uuid(), $1, '{\"a\": 1}', '{}')",
            ada,
        )
        await connection.execute(f"set role {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_the_service_runs_every_function(database_url: str) -> None:
    """service_role commits, reads, checks and repairs, as itself."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await connection.execute("set role service_role")
        await buy(connection, ada)
        assert 50 == json.loads(await connection.fetchval("select public.account_read($1)", ada))["balance"]
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
        assert 1 == len(await connection.fetch("select * from public.sync_user_credits($1)", ada))
        assert "[]" == await connection.fetchval("select public.outbox_claim('t', 1, 1)::text")


KEPT = {
    "a parked event": "update public.webhook_events set status = 'ignored', retry_at = null",
    "an event of its own": "insert into public.webhook_events (id, type, livemode, status)"
    " values ('e', 't', false, 'ignored')",
    "a message": "update public.outbox set failed_at = now()",
    "a message of its own": "insert into public.outbox (topic, key, payload) values ('t', 'k', '{}')",
    "a grant's end": "update public.credit_grants set expires_at = null",
    "a grant of its own": "insert into public.credit_grants (user_id, kind, credits, remaining)"
    " values (gen_random_uuid(), 'grant', 1, 1)",
    "a hold": "update public.credit_holds set expires_at = now() + interval '1 year'",
    "a hold of its own": "insert into public.credit_holds (user_id, credits, idempotency_key, expires_at)"
    " values (gen_random_uuid(), 1, 'k', now())",
    "what is known of a payment": "update public.purchases set user_id = gen_random_uuid()",
    "whose payment it is": "update public.purchase_links set purchase_id = 'pi_2'",
    "a subscription": "update public.subscriptions set status = 'active'",
    "an answer": "insert into public.credit_requests (key_digest, user_id, content, answer)"
    " values (gen_random_uuid(), gen_random_uuid(), '{}', '{}')",
    "an entry": "insert into public.credit_transactions (user_id, version, amount, balance_before, balance_after, kind,"
    " idempotency_key, hash) values (gen_random_uuid(), 1, 1, 0, 1, 'grant', 'k', '')",
    "a draw": "insert into public.credit_draws values (gen_random_uuid(), 1, 1, 1)",
    "a price": "insert into public.stripe_prices values ('price_1', 'starter', 1000000, '1')",
    "all users": "truncate public.users cascade",
    "whose balance it is": "update public.users set id = gen_random_uuid()",
    "an event, by a step of ours": "select public.credence_upsert_events("
    """array['{"event": {"id": "evt_1", "type": "t", "livemode": false, "status": "ignored", "body": "x"}}'::jsonb],"""
    """ array['{"accounts": []}'::jsonb])""",
    "a balance, by a step of ours": "select public.credence_write_opening(gen_random_uuid(), 5, 'x')",
}


@pytest.mark.parametrize("kept", KEPT)
async def test_the_service_writes_by_the_ledgers_functions_alone(database_url: str, kept: str) -> None:
    """Whoever has the key of service_role can't change what waits, what was granted, or what is known."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await buy(connection, ada)
        parked = {"id": "evt_1", "type": "t", "livemode": False, "status": "parked", "body": "{}"}
        await connection.fetchval("select public.ledger_commit($1)", json.dumps([{"event": parked}]))
        await connection.execute("set role service_role")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(KEPT[kept])
        assert 1 == len(json.loads(await connection.fetchval('select public.inbox_list(\'{"statuses": ["parked"]}\')')))
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")


async def test_the_service_works_by_the_functions(database_url: str) -> None:
    """With no right to write a table it claims, fails, delivers, retries and sets thresholds."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        parked = {"id": "evt_1", "type": "t", "livemode": False, "status": "parked", "body": "{}"}
        message = {"topic": "t", "key": "k", "payload": {}}
        await connection.execute("set role service_role")

        async def call(function: str, *arguments: object) -> Any:
            places = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
            return json.loads(await connection.fetchval(f"select public.{function}({places})", *arguments))

        assert (
            "committed"
            == (await call("ledger_commit", json.dumps([{"event": parked, "outbox": [message]}])))[0]["status"]
        )
        assert 1 == await call("inbox_make_all_due")
        assert ["evt_1"] == [one["id"] for one in await call("inbox_claim", 5, 60)]
        assert 1 == await call("inbox_fail", "evt_1", "why")
        (claimed,) = await call("outbox_claim", "t", 5, 60)
        given_up = [{"id": claimed["id"], "error": "away", "retry_in_seconds": 0, "gives_up": True}]
        assert 1 == await call("outbox_record_deliveries", json.dumps(given_up))
        assert 1 == await call("outbox_retry", claimed["id"])
        assert 5 == (await call("account_notify_below", ada, 5))["notify_below"]


OURS = """
select
    p.oid::regprocedure::text as name, p.proconfig, p.oid, obj_description(p.oid, 'pg_proc') as comment,
    p.prosqlbody is not null as is_resolved
from pg_proc p where p.pronamespace = 'public'::regnamespace
"""


async def test_functions_are_closed(database_url: str) -> None:
    """Each function has a comment that says it is ours, and is for neither anon, authenticated nor everyone.

    Each has an empty search_path, or a body whose names were resolved when it was made.
    """
    async with in_database(database_url) as connection:
        functions = await connection.fetch(OURS)
        assert len(functions) > 10
        for function in functions:
            assert function["is_resolved"] or 'search_path=""' in (function["proconfig"] or []), function["name"]
            assert (function["comment"] or "").startswith("Credence: "), function["name"]
            for role in ("anon", "authenticated"):
                query = "select has_function_privilege($1, $2::oid, 'execute')"
                assert not await connection.fetchval(query, role, function["oid"]), (role, function["name"])


async def test_tables_are_guarded_and_described(database_url: str) -> None:
    """Row level security is on, and a comment says that the table is ours, and what it is for."""
    async with in_database(database_url) as connection:
        for table in await tables(connection):
            assert table["relrowsecurity"], table["name"]
            assert (table["comment"] or "").startswith("Credence: "), table["name"]


@pytest.mark.parametrize("column", ["user_id", "stripe_session_id", "created_at"])
async def test_the_indexes_are_used(database_url: str, column: str) -> None:
    """With many rows a search by the column goes through its index."""
    async with in_database(database_url) as connection:
        await connection.execute(
            "insert into public.credit_transactions (user_id, version, amount, balance_before, balance_after, kind,"
            " idempotency_key, stripe_session_id, hash, created_at)"
            " select gen_random_uuid(), 1, 1, 0, 1, 'grant', 'key' || n, 'cs_' || n, '', now() - n * interval '1 min'"
            " from generate_series(1, 20000) n"
        )
        await connection.execute("analyze public.credit_transactions")
        value = await connection.fetchval(f"select {column}::text from public.credit_transactions limit 1")
        plan = await connection.fetch(f"explain select * from public.credit_transactions where {column} = '{value}'")
        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan" not in text
        assert "credit_transactions_" in text
        indexes = await connection.fetch("select indexname from pg_indexes where tablename = 'credit_transactions'")
        assert f"credit_transactions_{column}_idx" in {row[0] for row in indexes}


ENTRIES = "public.credit_transactions"
TAMPERINGS = {
    "a changed amount": (
        f"update {ENTRIES} set amount = 51, balance_after = 51 where version = 1 and user_id = :ada",
        "entry_tampered",
        1,
    ),
    "a changed description": (
        f"update {ENTRIES} set description = 'x' where version = 2 and user_id = :ada",
        "entry_tampered",
        2,
    ),
    "changed metadata": (
        f"update {ENTRIES} set metadata = '{{\"a\": 1}}' where version = 3 and user_id = :ada",
        "entry_tampered",
        3,
    ),
    "a missing row": (f"delete from {ENTRIES} where version = 2 and user_id = :ada", "entry_missing", 3),
    "a missing first row": (f"delete from {ENTRIES} where version = 1 and user_id = :ada", "entry_missing", 2),
    "a missing last row": (
        f"delete from {ENTRIES} where version = 3 and user_id = :ada",
        "version_differs_from_ledger",
        2,
    ),
    "an entry rewritten with its hash": (
        f"update {ENTRIES} set amount = 51, balance_after = 51 where version = 1 and user_id = :ada;"
        f" update {ENTRIES} t set hash = public.credence_entry_hash(null, public.credence_entry_digest(t))"
        " where version = 1 and user_id = :ada",
        "balance_before_differs",
        2,
    ),
    "another payment's name, with its hash": (
        f"update {ENTRIES} set purchase_id = 'pi_other' where version = 1 and user_id = :ada;"
        f" update {ENTRIES} t set hash = public.credence_entry_hash(null, public.credence_entry_digest(t))"
        " where version = 1 and user_id = :ada",
        "entry_tampered",
        2,
    ),
    "a changed balance": (
        "update public.users set credits_balance = 999 where id = :ada",
        "balance_differs_from_ledger",
        3,
    ),
    "a changed grant": (
        "update public.credit_grants set remaining = 1 where user_id = :ada",
        "grants_differ_from_balance",
        3,
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_tampering_shows(database_url: str, tampering: str) -> None:
    """Whatever is changed behind the ledger's back, the check names the account and the first bad entry."""
    statement, problem, version = TAMPERINGS[tampering]
    async with in_database(database_url) as connection:
        ada, bob = await sign_up(connection, "ada@example.com"), await sign_up(connection, "bob@example.com")
        for _ in range(3):
            await buy(connection, ada)
        await buy(connection, bob)
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement.replace(":ada", f"'{ada}'"))
        await connection.execute("reset session_replication_role")
        (found,) = await connection.fetch("select * from public.validate_credits_consistency()")
        assert (ada, problem, version) == (found["user_id"], found["problem"], found["version"])


async def test_sync_repairs_a_balance_and_says_what_it_was(database_url: str) -> None:
    """A balance that somebody changed is recomputed from the entries, and a second repair finds nothing to do."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await buy(connection, ada)
        await connection.execute("update public.users set credits_balance = 1000000, credits_version = 7")
        row = await connection.fetchrow("select * from public.sync_user_credits($1)", ada)
        assert (ada, 1000000, 50, 7, 1, True) == tuple(row)
        assert 50 == await connection.fetchval("select credits_balance from public.users where id = $1", ada)
        again = await connection.fetchrow("select * from public.sync_user_credits($1)", ada)
        assert (50, 50, False) == (again["previous_balance"], again["balance"], again["repaired"])
        with pytest.raises(asyncpg.NoDataFoundError):
            await connection.fetch("select * from public.sync_user_credits($1)", uuid.uuid4())


async def test_a_tampered_balance_does_not_poison_the_chain(database_url: str) -> None:
    """The next entry builds on the last one, not on the balance that somebody wrote."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        await buy(connection, ada)
        await connection.execute("update public.users set credits_balance = 1000000")
        await buy(connection, ada)
        assert 100 == await connection.fetchval("select credits_balance from public.users where id = $1", ada)
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")


async def test_a_clawback_takes_its_own_grant_first_and_the_rest_is_debt(database_url: str) -> None:
    """Spent credits that are taken back leave a debt, and the next grant pays it."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")

        async def remainders() -> list[int]:
            rows = await connection.fetch("select remaining from public.credit_grants where credits > 0 order by id")
            return [row["remaining"] for row in rows]

        assert "committed" == await commit(connection, entry(ada, 50, "purchase", "pi_1"))
        assert "committed" == await commit(connection, entry(ada, 30, "purchase", "pi_2"))
        assert "committed" == await commit(connection, entry(ada, -10, "clawback", "pi_2"))
        assert [50, 20] == await remainders()
        assert "committed" == await commit(connection, entry(ada, -60, "spend"))
        assert [0, 10] == await remainders()
        assert "insufficient_credits" == await commit(connection, entry(ada, -11, "spend"))
        assert "committed" == await commit(connection, entry(ada, -50, "clawback", "pi_1"))
        assert [0, 0] == await remainders()
        assert -40 == await connection.fetchval("select credits_balance from public.users where id = $1", ada)
        assert "committed" == await commit(connection, entry(ada, 50, "purchase", "pi_3"))
        assert [0, 0, 10] == await remainders()
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")


async def test_a_second_grant_of_a_purchase_is_impossible(database_url: str) -> None:
    """Even a caller that decides wrongly can't grant one purchase twice."""
    async with in_database(database_url) as connection:
        ada = await sign_up(connection, "ada@example.com")
        assert "committed" == await commit(connection, entry(ada, 50, "purchase", "pi_1"))
        assert "refused" == await commit(connection, entry(ada, 50, "purchase", "pi_1"))
        assert 50 == await connection.fetchval("select credits_balance from public.users where id = $1", ada)


async def test_opposite_batches_do_not_deadlock(database_url: str) -> None:
    """Calls that touch the same accounts and purchases in opposite orders all end, and each purchase counts once."""
    async with in_database(database_url) as owner:
        users = [await sign_up(owner, f"user{number}@example.com") for number in range(8)]

        def change(number: int, caller: int) -> dict[str, Any]:
            payment = f"pi_{number}"
            return {
                "event": {
                    "id": f"evt_{number}_{caller}",
                    "type": "t",
                    "livemode": False,
                    "status": "applied",
                    "body": "{}",
                },
                "purchase": {
                    "id": payment,
                    "expected_revision": 0,
                    "user_id": str(users[number]),
                    "payment_status": "paid",
                    "facts": {"links": [f"session:{number}"]},
                },
                "entries": [entry(users[number], 50, "purchase", payment)],
                "outbox": [],
            }

        async def call(caller: int) -> None:
            order = range(8) if caller % 2 else reversed(range(8))
            changes = [change(number, caller) for number in order]
            connection = await asyncpg.connect(database_url)
            try:
                await connection.fetchval("select public.ledger_commit($1)", json.dumps(changes))
            finally:
                await connection.close()

        await asyncio.gather(*(call(caller) for caller in range(12)))
        rows = await owner.fetch("select credits_balance from public.users")
        assert [50] * 8 == [row["credits_balance"] for row in rows]
