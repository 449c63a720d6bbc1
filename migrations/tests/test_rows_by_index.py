"""What a call does is bounded by what it is about, not by how much there is: spending reads no table whole."""

import asyncio
import json
import uuid
from typing import Any

import asyncpg
import pytest

ACCOUNTS = 5_000
MADE = f"select ('00000000-0000-4000-8000-' || (100000000000 + n))::uuid as id, n from generate_series(1, {ACCOUNTS}) n"
BULK = f"""
    set local session_replication_role = replica;
    insert into public.users (id, credits_balance, credits_version) select id, 50, 1 from ({MADE}) made;
    insert into public.credit_grants (user_id, kind, credits, remaining)
        select id, 'grant', 50, 50 from ({MADE}) made, generate_series(1, 4);
    insert into public.credit_requests (key, user_id, content, answer)
        select 'key:' || n || ' ' || part, id, '{{}}', '{{}}' from ({MADE}) made, generate_series(1, 4) part;
    insert into public.credit_holds (id, user_id, credits, status, idempotency_key, expires_at, draws)
        select id, id, 1, 'voided', n::text, now(), '[]' from ({MADE}) made;
    set local session_replication_role = origin;
"""
TABLES = ("users", "credit_grants", "credit_requests", "credit_holds")


@pytest.mark.parametrize("several", [1, 3], ids=["one", "three"])
def test_spending_reads_no_table_whole(database_url: str, several: int) -> None:
    """Reading an account, a spend, a hold and its capture go by indexes where a table has some thousands of rows."""

    async def story() -> None:
        connection = await asyncpg.connect(database_url)
        transaction = connection.transaction()
        await transaction.start()

        async def call(function: str, argument: Any) -> Any:
            return json.loads(await connection.fetchval(f"select public.{function}($1)", json.dumps(argument)))

        async def scanned() -> dict[str, int]:
            rows = await connection.fetch("select relname, seq_scan from pg_stat_xact_user_tables")
            return {row["relname"]: row["seq_scan"] for row in rows if row["relname"] in TABLES}

        async def commit(changes: list[dict[str, Any]]) -> None:
            assert ["committed"] * several == [one["status"] for one in await call("ledger_commit", changes)]

        try:
            users = [
                str(await connection.fetchval("insert into auth.users default values returning id"))
                for _ in range(several)
            ]
            await commit(
                [
                    {
                        "entries": [
                            {"user_id": user, "amount": 50, "kind": "goodwill", "idempotency_key": f"give {user}"}
                        ]
                    }
                    for user in users
                ]
            )
            await connection.execute(BULK)
            for table in TABLES:
                await connection.execute(f"analyze public.{table}")
            before = await scanned()
            wallets = (await call("wallets_read", {"user_ids": users, "keys": [f"key:{users[0]}"], "hold_ids": users}))[
                "wallets"
            ]
            draws = {
                wallet["account"]["user_id"]: [{"grant": wallet["grants"][0]["id"], "credits": 5}] for wallet in wallets
            }
            spends, holds = [], []
            for user in users:
                entry = {
                    "user_id": user,
                    "amount": -5,
                    "kind": "spend",
                    "idempotency_key": f"s {user}",
                    "draws": draws[user],
                }
                request = {"key": f"key:{user}", "user_id": user, "content": {}, "answer": {}}
                spends.append({"entries": [entry], "request": request})
                hold = {"id": str(uuid.uuid4()), "user_id": user, "credits": 5, "status": "open", "draws": draws[user]}
                holds.append({**hold, "idempotency_key": f"h {user}", "expires_at": "2100-01-01T00:00:00Z"})
            await commit(spends)
            await commit([{"holds": [hold]} for hold in holds])
            await commit(
                [
                    {
                        "holds": [{**hold, "status": "captured", "captured": 5}],
                        "entries": [
                            {
                                "user_id": hold["user_id"],
                                "amount": -5,
                                "kind": "capture",
                                "idempotency_key": f"c {hold['id']}",
                                "draws": draws[hold["user_id"]],
                            }
                        ],
                    }
                    for hold in holds
                ]
            )
            assert before == await scanned()
        finally:
            await transaction.rollback()
            await connection.close()

    asyncio.run(story())
