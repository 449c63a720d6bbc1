"""What is written past the ledger shows, and what can be repaired is."""

import uuid

import asyncpg
import pytest

from migrations.tests.books import Books, entry, hold, in_database, settled

TAMPERINGS = {
    "update public.credit_grants set credits = credits + 1": "grant_differs_from_draws",
    "update public.credit_grants set held = held + 1": "grant_differs_from_holds",
    "update public.credit_grants set remaining = remaining - 1": "grants_differ_from_balance",
    "update public.credit_draws set credits = credits - 1": "grant_differs_from_draws",
    "update public.credit_draws set credits = credits + 1": "draws_exceed_entry",
    "update public.credit_draws set version = version + 5": "draws_exceed_entry",
    "update public.credit_draws set grant_id = grant_id + 5": "grant_differs_from_draws",
    "update public.credit_draws set user_id = gen_random_uuid()": None,
    "delete from public.credit_draws": "grant_differs_from_draws",
    "delete from public.credit_grants": "grants_differ_from_balance",
    "update public.credit_holds set credits = credits + 1": "held_differs_from_holds",
    "update public.credit_holds set draws = '[]'": "grant_differs_from_holds",
    "update public.credit_holds set status = 'voided' where status = 'open'": "held_differs_from_holds",
    "update public.credit_holds set captured = captured - 1 where captured > 0": "captured_differs_from_entries",
    "delete from public.credit_holds where captured > 0": "captured_differs_from_entries",
    "update public.users set credits_held = 0": "held_differs_from_holds",
    "update public.users set credits_revision = 1": "revision_behind_ledger",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_tampering_shows(database_url: str, tampering: str) -> None:
    """Whatever is changed behind the ledger's back about grants, draws and holds, the check says so."""
    connection = await asyncpg.connect(database_url)
    try:
        books = Books(connection)
        ada = await books.sign_up()
        grant = await books.grant(ada, 50)
        assert "committed" == await books.outcome(entries=[entry(ada, -5, "spend")])
        assert "committed" == await books.outcome(holds=[hold(ada, 10, (grant, 10))])
        job = hold(ada, 7, (grant, 7))
        assert "committed" == await books.outcome(holds=[job])
        taken = entry(ada, -7, "capture", draws=job["draws"])
        assert "committed" == await books.outcome(holds=[settled(job, 7)], entries=[taken])
        assert [] == await books.problems()
        await connection.execute("set session_replication_role = replica")
        await connection.execute(tampering)
        await connection.execute("reset session_replication_role")
        problems = {problem for problem, _ in await books.problems()}
        wanted = TAMPERINGS[tampering]
        assert problems
        assert wanted is None or {wanted} == problems
    finally:
        await connection.close()


async def test_sync_repairs_what_is_held(database_url: str) -> None:
    """Held credits are recomputed from the open holds, and decisions that were made meanwhile are no longer good."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        grant = await books.grant(ada, 50)
        assert "committed" == await books.outcome(holds=[hold(ada, 10, (grant, 10))])
        await books.connection.execute("update public.users set credits_held = 0")
        revision = (await books.wallet(ada))["account"]["revision"]
        row = await books.connection.fetchrow("select * from public.sync_user_credits($1)", uuid.UUID(ada))
        assert row["repaired"]
        assert (50, 10, 50) == await books.figures(ada)
        stale = {"user_id": ada, "expected_revision": revision}
        assert "account" == await books.outcome(account=stale, entries=[entry(ada, -1, "spend")])
