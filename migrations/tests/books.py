"""One database's accounts, as the ledger's callers write them."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator["Books"]:
    """Open the books of a fresh database, and see that they are in order after it."""
    connection = await asyncpg.connect(url)
    try:
        books = Books(connection)
        yield books
        assert [] == await books.problems()
    finally:
        await connection.close()


class Books:
    """The ledger's functions on one connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def sign_up(self) -> str:
        return str(await self.connection.fetchval("insert into auth.users default values returning id"))

    async def call(self, function: str, *arguments: Any) -> Any:
        values = [json.dumps(one) if isinstance(one, dict | list) else one for one in arguments]
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        found = await self.connection.fetchval(f"select to_jsonb(public.{function}({places}))", *values)
        return None if found is None else json.loads(found)

    async def commit(self, **change: Any) -> dict[str, Any]:
        (answer,) = await self.call("ledger_commit", [{"event": None, "purchase": None, "outbox": [], **change}])
        return dict(answer)

    async def outcome(self, **change: Any) -> str:
        answer = await self.commit(**change)
        return str(answer.get("reason", answer["status"]))

    async def wallet(self, user: str) -> dict[str, Any]:
        return dict((await self.call("accounts_read_for_spending", {"user_ids": [user]}))["wallets"][0])

    async def figures(self, user: str) -> tuple[int, int, int]:
        """Balance, held credits, and the sum of what remains of grants."""
        wallet = await self.wallet(user)
        remains = sum(grant["remaining"] for grant in wallet["grants"])
        return wallet["account"]["balance"], wallet["account"]["held"], remains

    async def now(self) -> str:
        return str(await self.connection.fetchval("select clock_timestamp()::text"))

    async def problems(self) -> list[tuple[str, int | None]]:
        rows = await self.connection.fetch("select * from public.validate_credits_consistency()")
        return [(row["problem"], row["version"]) for row in rows]

    async def grant(self, user: str, amount: int, kind: str = "grant", **more: Any) -> int:
        assert "committed" == await self.outcome(entries=[entry(user, amount, kind, **more)])
        return int(await self.connection.fetchval("select max(id) from public.credit_grants"))


def entry(user: str, amount: Any, kind: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "amount": amount, "kind": kind, "idempotency_key": uuid.uuid4().hex, **more}


def hold(user: str, size: Any, *draws: tuple[int, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "user_id": user,
        "credits": size,
        "captured": 0,
        "status": "open",
        "idempotency_key": uuid.uuid4().hex,
        "expires_at": "2100-01-01T00:00:00Z",
        "draws": [{"grant": grant, "credits": share} for grant, share in draws],
        **more,
    }


def settled(standing: dict[str, Any], captured: Any, status: str = "captured") -> dict[str, Any]:
    return {**standing, "captured": captured, "status": status, "settled_at": "2026-11-24T12:00:00Z"}
