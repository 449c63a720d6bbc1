"""The CPU of a commit of one change in Postgres, beside its rows alone and beside another checkout."""

import contextlib
import itertools
import json
import random
import statistics
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop

from adapters.postgres.changes import change_to_json
from features.bench.accounts import add_accounts, user_id
from features.bench.changes import MINIMAL_SCHEMA, ROWS_SCHEMA, SPEND_ROWS_SCHEMA, next_purchase
from features.bench.cpu.builds import OURS, Build, MigratedPostgres
from features.bench.figures import Figure
from features.bench.mechanisms.comparing import in_turns
from features.bench.processes import running_processes

COMMIT = "select public.ledger_commit($1)"
ROWS = {
    "purchase": "select bench.write_rows($1, $2, $3)",
    "spend": "select bench.write_spend_rows($1, $2, $3)",
}
GOAL = 1.3
WHEN = "2026-12-01T00:00:00.000001+00:00"
_run, _names = uuid.uuid4().hex[:8], itertools.count()


class Backend:
    """One connection to a ledger with some accounts, and the CPU time that its server process takes for its calls."""

    def __init__(self, connection: Any, accounts: int, pid: int) -> None:
        self._connection, self._accounts, self._pid = connection, accounts, pid

    @classmethod
    async def open(cls, url: str, accounts: int) -> "Backend":
        """Connect to a database that has the schema, and make the accounts in it."""
        connection = await asyncpg.connect(url)
        await add_accounts(connection, 0, accounts)
        for schema in (MINIMAL_SCHEMA, ROWS_SCHEMA, SPEND_ROWS_SCHEMA, "vacuum analyze"):
            await connection.execute(schema)
        return cls(connection, accounts, await connection.fetchval("select pg_backend_pid()"))

    async def commits(self, kind: str, calls: int) -> float:
        """Return the microseconds of CPU for each of so many commits of one change, a call each."""
        sent = [(await self._change(kind, user),) for user in self._users(calls)]
        return await self._spent(COMMIT, sent)

    async def rows(self, kind: str, calls: int) -> float:
        """Return the same of the rows that such a change writes."""
        users = self._users(calls)
        last = ["x" * 1560] * calls if kind == "purchase" else [await self._grant(user) for user in users]
        return await self._spent(
            ROWS[kind], [(user, f"{_run}_{next(_names)}", one) for user, one in zip(users, last, strict=True)]
        )

    def _users(self, calls: int) -> list[str]:
        # Each once: a spend is guarded by the revision that was read.
        return [user_id(number) for number in random.sample(range(self._accounts), calls)]

    async def _grant(self, user: str) -> int:
        return int(await self._connection.fetchval("select min(id) from public.credit_grants where user_id = $1", user))

    async def _change(self, kind: str, user: str) -> str:
        if kind == "purchase":
            return msgspec.json.encode([change_to_json(next_purchase(self._accounts))]).decode()
        account = json.loads(await self._connection.fetchval("select public.account_read($1)", user))
        name, left = f"{_run}_{next(_names)}", account["balance"] - 1
        entry = {"user_id": user, "amount": -1, "kind": "spend", "idempotency_key": f"request:{name}"}
        answer = {"user_id": user, "kind": "spend", "credits": -1, "version": account["version"] + 1, "balance": left}
        answer |= {"held": 0, "available": left, "created_at": WHEN, "expires_at": None}
        content = {"operation": "spend", "user_id": user, "credits": 1, "description": None}
        draws = [{"grant": await self._grant(user), "credits": 1}]
        spend = {
            "account": {"user_id": user, "expected_revision": account["revision"]},
            "entries": [{**entry, "event_at": WHEN, "metadata": {}, "draws": draws}],
            "request": {"key": f"key:{name}", "user_id": user, "content": content, "answer": answer},
        }
        return json.dumps([spend])

    async def _spent(self, statement: str, arguments: list[Any]) -> float:
        prepared = await self._connection.prepare(statement)
        before = running_processes()[self._pid].own
        for given in arguments:
            answer = await prepared.fetchval(*given)
            if answer and json.loads(answer)[0]["status"] != "committed":
                raise AssertionError(answer)
        return 1_000_000 * (running_processes()[self._pid].own - before) / len(arguments)


def measure(folder: Path, *, against: Path | None, accounts: int, rounds: int) -> Iterator[Figure]:
    """Give the figures of a purchase and of a spend, in turns with their rows alone and with the other checkout's."""
    builds = {"this checkout": OURS, **({"the other checkout": Build(against)} if against else {})}
    with contextlib.ExitStack() as stack:
        urls = {}
        for place, (name, build) in enumerate(builds.items()):
            server = MigratedPostgres(build, folder / str(place), ())
            urls[name] = server.start()
            stack.callback(server.stop)
        slices = uvloop.run(_in_turns(urls, accounts, rounds))
    for kind in ROWS:
        own = slices[f"{kind}, this checkout"]
        for limit_name in (f"{kind}, its rows alone", f"{kind}, the other checkout"):
            if limit_name in slices:
                yield Figure(
                    name=f"ledger_commit of one {kind}, CPU of its backend",
                    figure=statistics.median(own),
                    unit="us",
                    limit=statistics.median(slices[limit_name]),
                    limit_name=limit_name,
                    goal=GOAL if limit_name.endswith("alone") else None,
                    smaller_is_better=True,
                    rounds=tuple(one / other for one, other in zip(own, slices[limit_name], strict=True)),
                )


async def _in_turns(urls: dict[str, str], accounts: int, rounds: int) -> dict[str, list[float]]:
    backends = {name: await Backend.open(url, accounts) for name, url in urls.items()}
    calls, ours = accounts // 2, backends["this checkout"]
    variants = {f"{kind}, {name}": partial(one.commits, kind, calls) for kind in ROWS for name, one in backends.items()}
    variants |= {f"{kind}, its rows alone": partial(ours.rows, kind, calls) for kind in ROWS}
    return await in_turns(variants, rounds=rounds)
