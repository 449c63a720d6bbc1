"""An account of 20,000 entries: what is read of it at a time is bounded, and others are answered meanwhile."""

import asyncio
import contextlib
import csv
import json
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import attrs
import httpx
import pytest

from adapters.memory.cache import MemoryQuotaCache
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done
from domain.decisions.operations import CreditOperation, GrantCredits, PlaceHold, Spend, VoidHold
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from features.real_parts import FAR_FUTURE, JWT_SECRET
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready
from simulators.stripe.signatures import mint_token

STRIPE = {"STRIPE_SECRET_KEY": "sk_test_51abcdefghij", "STRIPE_WEBHOOK_SECRET": "whsec_abc"}
ENTRIES = 20_000
HOLDS = 500
GIFTS = 10
GIFT_CREDITS = 3_000
BATCH = 500


@attrs.frozen
class Served:
    """A service with a user who has a long past, and another who has none."""

    http: httpx.Client
    settings: dict[str, str]
    database_url: str
    heavy: str
    light: str

    def get(self, path: str, user_id: str, **headers: str) -> httpx.Response:
        answer = self.http.get(path, headers={"Authorization": f"Bearer {token(user_id)}", **headers})
        assert 200 == answer.status_code, answer.text
        return answer


def token(user_id: str) -> str:
    return mint_token(JWT_SECRET, {"sub": user_id, "aud": "authenticated", "role": "authenticated", "exp": FAR_FUTURE})


async def filled(database_url: str) -> tuple[str, str]:
    """Sign two users up; the first gets ten grants, places and voids holds, and spends one credit at a time."""
    connection = await asyncpg.connect(database_url)
    heavy, light = [
        str(await connection.fetchval("insert into auth.users (email) values (null) returning id")) for _ in range(2)
    ]
    await connection.close()
    user_id = UserId(heavy)
    holds = [HoldId(str(uuid.uuid4())) for _ in range(HOLDS)]
    grants: list[CreditOperation] = [
        GrantCredits(
            user_id=user_id,
            credits=GIFT_CREDITS,
            kind=EntryKind.GOODWILL,
            key=f"gift {number}",
            reason="sorry",
            operator="Grace",
        )
        for number in range(GIFTS)
    ]
    held = [
        PlaceHold(hold_id=one, user_id=user_id, credits=1, key=f"hold {one}", lasts=timedelta(hours=1)) for one in holds
    ]
    spends = [
        Spend(user_id=user_id, credits=1, key=f"spend {number}", description=f"number {number}")
        for number in range(ENTRIES - GIFTS)
    ]
    async with contextlib.aclosing(PostgresRpc(database_url)) as rpc:
        ledger = SqlLedger(rpc)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        voids = [VoidHold(hold_id=one) for one in holds]
        batches = [spends[place : place + BATCH] for place in range(0, len(spends), BATCH)]
        for batch in (grants, held, voids, *batches):
            for outcome in await service.execute(batch, datetime.now(UTC)):
                assert isinstance(outcome, Done), outcome
    return heavy, light


@pytest.fixture(scope="module")
def served(new_database: Callable[[], str], redis_url: str, new_server_folder: Callable[[], Path]) -> Iterator[Served]:
    database_url, port = new_database(), free_port()
    heavy, light = asyncio.run(filled(database_url))
    settings = {
        **STRIPE,
        "SUPABASE_DB_URL": database_url,
        "SUPABASE_JWT_SECRET": JWT_SECRET,
        "REDIS_URL": redis_url,
        "CREDENCE_PORT": str(port),
        "CREDENCE_WORKER": "false",
    }
    log, url = new_server_folder() / "log", f"http://127.0.0.1:{port}"
    with serving(settings, log), httpx.Client(base_url=url, timeout=60) as client:
        wait_until_ready(url, log)
        yield Served(client, settings, database_url, heavy, light)


def pages(served: Served, limit: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Each page of the heavy user's explanation, and its size in bytes."""
    cursor = ""
    while True:
        answer = served.get(f"/accounts/{served.heavy}/explanation?limit={limit}{cursor}", served.heavy)
        page = answer.json()
        yield page, len(answer.content)
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def test_a_page_of_an_explanation_is_bounded(served: Served) -> None:
    """However much there is: what was asked for, in a few kilobytes; all pages together are the whole account."""
    seen: list[int] = []
    holds, sizes, drawn = 0, [], 0
    for page, size in pages(served, limit=200):
        assert len(page["other_transactions"]) <= 200
        assert len(page["holds"]) <= 200
        assert len(page["grants"]) <= GIFTS
        assert GIFTS * GIFT_CREDITS - (ENTRIES - GIFTS) == page["balance"]
        seen += reversed([one["version"] for one in page["other_transactions"]])
        drawn += sum(draw["credits"] for grant in page["grants"] for draw in grant["draws"])
        holds += len(page["holds"])
        sizes.append(size)
    assert [*range(ENTRIES, 0, -1)] == seen
    assert (HOLDS, ENTRIES - GIFTS) == (holds, drawn)
    assert max(sizes) < 300_000
    by_default = served.get(f"/accounts/{served.heavy}/explanation", served.heavy)
    assert 50 == len(by_default.json()["other_transactions"])
    assert len(by_default.content) < 75_000


@pytest.mark.parametrize("before", [None, 10_000, 150])
@pytest.mark.parametrize("function", ["account_record", "account_transactions"])
async def test_a_page_reads_few_rows(served: Served, before: int | None, function: str) -> None:
    """Postgres counts them: as many for the first page as for those after, whatever was there when it planned."""
    connection = await asyncpg.connect(served.database_url)
    try:
        for _ in range(7):
            already = await rows_read(connection)
            if function == "account_record":
                query = json.dumps({"entry": before, "limit": 50})
                await connection.fetchval("select public.account_record($1, $2)", uuid.UUID(served.heavy), query)
            else:
                call = "select public.account_transactions($1, $2, 50)"
                await connection.fetchval(call, uuid.UUID(served.heavy), before)
            read = await rows_read(connection) - already
            assert 50 <= read["credit_transactions"] <= 100, read
            assert read.total() < 500, read
    finally:
        await connection.close()


async def rows_read(connection: Any) -> Counter[str]:
    """How many rows the connection has read of each table."""
    await connection.execute("select pg_stat_force_next_flush()")
    rows = await connection.fetch("select relname, seq_tup_read, idx_tup_fetch from pg_stat_user_tables")
    return Counter({row["relname"]: (row["seq_tup_read"] or 0) + (row["idx_tup_fetch"] or 0) for row in rows})


def test_others_are_answered_while_a_statement_is_sent(served: Served) -> None:
    """A statement of everything is sent page by page: others are served between the first of it and the last."""
    headers = {"Authorization": f"Bearer {token(served.heavy)}", "Accept": "text/csv"}
    with served.http.stream("GET", "/transactions", headers=headers) as answer:
        assert 200 == answer.status_code
        assert "content-length" not in answer.headers
        parts = answer.iter_text()
        text = next(parts)
        assert text.count("\n") < ENTRIES / 10
        for _ in range(5):
            assert 0 == served.get("/quota", served.light).json()["balance"]
            assert [] == served.get(f"/accounts/{served.light}/explanation", served.light).json()["grants"]
        text += "".join(parts)
    rows = [*csv.DictReader(text.splitlines())]
    assert [str(version) for version in range(ENTRIES, 0, -1)] == [row["version"] for row in rows]
    assert GIFTS * GIFT_CREDITS - (ENTRIES - GIFTS) == sum(int(row["amount"]) for row in rows)


def test_others_are_answered_while_an_explanation_is_read(served: Served) -> None:
    """However one goes through all of a large account, page after page, others are served between any two of them."""
    walked, answered = 0, 0
    done = threading.Event()

    def ask() -> None:
        nonlocal answered
        with httpx.Client(base_url=served.http.base_url, timeout=60) as http:
            headers = {"Authorization": f"Bearer {token(served.light)}"}
            while not done.is_set():
                for path in ("/quota", f"/accounts/{served.light}/explanation"):
                    assert 200 == http.get(path, headers=headers).status_code
                answered += 1

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(ask)
        try:
            for _ in pages(served, limit=200):
                walked += 1
        finally:
            done.set()
        other.result()
    assert ENTRIES / 200 <= walked
    assert answered >= walked / 4


def test_a_statement_by_kind_is_whole_too(served: Served) -> None:
    """What is asked for holds for every page of it."""
    answer = served.get("/transactions?kind=goodwill", served.heavy, Accept="text/csv")
    assert GIFTS == len([*csv.DictReader(answer.text.splitlines())])
    answer = served.get("/transactions?cursor=301", served.heavy, Accept="text/csv")
    assert 300 == len([*csv.DictReader(answer.text.splitlines())])


def test_a_person_is_shown_the_newest_with_the_sums_of_all(served: Served) -> None:
    """The command shows the last entries, says that there is more, and adds up all of them."""
    said = command(served, "explain", served.heavy, "--last", "10")
    left = GIFTS * GIFT_CREDITS - (ENTRIES - GIFTS)
    assert f"0 credits from purchases + {left} from other entries = {left} in total." in said
    assert f"{left} remaining in grants, 0 owed." in said
    assert "number 19989" in said
    assert "number 19979" not in said
    assert "Older entries follow; --all shows them." in said


def test_a_person_can_be_shown_everything(served: Served) -> None:
    """In JSON each page is a document; together they have every entry once."""
    text, decoder, seen = command(served, "explain", served.heavy, "--all", "--json").strip(), json.JSONDecoder(), []
    while text:
        page, end = decoder.raw_decode(text)
        seen += reversed([one["version"] for one in page["other_transactions"]])
        text = text[end:].lstrip()
    assert [*range(ENTRIES, 0, -1)] == seen


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=", "cursor=5", "cursor=5~~%00", "cursor=~x~", "cursor=1e3~~"]
)
def test_a_page_that_there_cannot_be_is_refused(served: Served, query: str) -> None:
    """With what is wrong."""
    headers = {"Authorization": f"Bearer {token(served.light)}"}
    answer = served.http.get(f"/accounts/{served.light}/explanation?{query}", headers=headers)
    assert (400, "urn:credence:bad-request") == (answer.status_code, answer.json()["type"])


def command(served: Served, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints", *arguments],
        env=served.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout
