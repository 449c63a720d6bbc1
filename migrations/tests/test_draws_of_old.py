"""A ledger from before draws were recorded is migrated truthfully: which entry took what, as far as it can be told."""

import asyncio
import json
import shutil
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from adapters.postgres import migrations
from adapters.postgres.embedded import PRELUDE
from features.real_parts import database, execute

FIRST_OF_SPENDING = "20261124000200"


def in_old_ledger(
    server: str, folder: Path, write: Callable[[Any], Awaitable[None]], read: Callable[[Any], Any]
) -> None:
    """Let a story write by the older functions, migrate, and read."""
    name = f"old_{uuid.uuid4().hex}"
    url = database(server, name)
    for path in migrations.DIRECTORY.glob("*.sql"):
        if path.name < FIRST_OF_SPENDING:
            shutil.copy(path, folder)

    async def run() -> None:
        await execute(server, f"create database {name}")
        await execute(url, PRELUDE.read_text())
        connection = await asyncpg.connect(url)
        try:
            await migrations.apply(connection, folder)
            await write(connection)
            await migrations.apply(connection)
            await read(connection)
            assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
        finally:
            await connection.close()

    asyncio.run(run())


async def sign_up(connection: Any) -> str:
    return str(await connection.fetchval("insert into auth.users default values returning id"))


async def post(connection: Any, user: str, amount: int, kind: str, payment: str | None = None, **more: Any) -> None:
    key = {"user_id": user, "amount": amount, "kind": kind, "idempotency_key": uuid.uuid4().hex, "purchase_id": payment}
    change = {"event": None, "purchase": None, "entries": [{**key, **more}], "outbox": []}
    (answer,) = json.loads(await connection.fetchval("select public.ledger_commit($1)", json.dumps([change])))
    assert "committed" == answer["status"], answer


async def draws(connection: Any, user: str) -> list[tuple[int, int, int]]:
    """Entry version, which of the account's grants (from 1), credits."""
    query = """
        select d.version, g.place, d.credits from public.credit_draws d
        join (
            select id, user_id, row_number() over (partition by user_id order by id) as place from public.credit_grants
        ) g on g.id = d.grant_id and g.user_id = d.user_id
        where d.user_id = $1::text::uuid order by d.version, g.place
    """
    return [tuple(row) for row in await connection.fetch(query, user)]


async def grants(connection: Any, user: str) -> list[tuple[int, int, int]]:
    query = "select credits, remaining, priority from public.credit_grants where user_id = $1::text::uuid order by id"
    return [tuple(row) for row in await connection.fetch(query, user)]


def test_entries_are_followed_again(postgres_url: str, tmp_path: Path) -> None:
    """Each old entry draws from the grant that the old rules took it from; debts and their payment are told too."""
    users: list[str] = []

    async def write(connection: Any) -> None:
        ada, bob = await sign_up(connection), await sign_up(connection)
        users.extend((ada, bob))
        await post(connection, ada, 50, "purchase", "pi_1")
        await post(connection, ada, 30, "purchase", "pi_2", expires_at="2030-01-01T00:00:00Z")
        await post(connection, ada, 20, "grant")
        await post(connection, ada, -40, "spend")
        await post(connection, ada, -20, "clawback", "pi_1")
        await post(connection, ada, 5, "reinstatement", "pi_1")
        await post(connection, ada, -60, "clawback", "pi_2")
        await post(connection, ada, 40, "grant")
        await post(connection, bob, 10, "purchase", "pi_3")

    async def read(connection: Any) -> None:
        ada, bob = users
        # 50 + 30 + 20: the spend takes the first gift, then what expires; the clawback of 60 leaves a debt of 15.
        wanted = [(4, 2, 20), (4, 3, 20), (5, 1, 20), (7, 1, 35), (7, 2, 10), (8, 4, 15)]
        assert wanted == await draws(connection, ada)
        assert [(55, 0, 50), (30, 0, 50), (20, 0, 50), (40, 25, 50)] == await grants(connection, ada)
        assert [] == await draws(connection, bob)
        assert [(10, 10, 50)] == await grants(connection, bob)
        account = json.loads(await connection.fetchval("select public.account_read($1::text::uuid)", ada))
        assert (8, 8, 25) == (account["version"], account["revision"], account["balance"])

    in_old_ledger(postgres_url, tmp_path, write, read)


def test_what_can_not_be_reported_is_said_so(postgres_url: str, tmp_path: Path) -> None:
    """Where the grants disagree with the rules, what is gone from them is drawn by no entry in particular."""
    users: list[str] = []

    async def write(connection: Any) -> None:
        ada = await sign_up(connection)
        users.append(ada)
        await post(connection, ada, 50, "purchase", "pi_1")
        await post(connection, ada, 30, "purchase", "pi_2")
        await post(connection, ada, -20, "spend")
        # As a hand may have put it right once: the sum agrees with the balance, by other grants.
        await connection.execute("update public.credit_grants set remaining = 50 where purchase_id = 'pi_1'")
        await connection.execute("update public.credit_grants set remaining = 10 where purchase_id = 'pi_2'")

    async def read(connection: Any) -> None:
        (ada,) = users
        assert [(0, 2, 20)] == await draws(connection, ada)
        assert [(50, 50, 50), (30, 10, 50)] == await grants(connection, ada)

    in_old_ledger(postgres_url, tmp_path, write, read)


def test_spending_goes_on_after_it(postgres_url: str, tmp_path: Path) -> None:
    """An account of before is spent from as any other, and a purchase of before gives back into its grant."""
    users: list[str] = []

    async def write(connection: Any) -> None:
        ada = await sign_up(connection)
        users.append(ada)
        await post(connection, ada, 50, "purchase", "pi_1")
        await post(connection, ada, -20, "clawback", "pi_1")

    async def read(connection: Any) -> None:
        (ada,) = users
        await post(connection, ada, 20, "reinstatement", "pi_1")
        await post(connection, ada, -45, "spend")
        assert [(2, 1, 20), (4, 1, 45)] == await draws(connection, ada)
        assert [(70, 5, 50)] == await grants(connection, ada)

    in_old_ledger(postgres_url, tmp_path, write, read)
