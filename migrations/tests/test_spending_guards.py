"""What Postgres guards of spending, whatever its caller decided: called directly, with JSON that nobody should send."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest


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


OVERDRAWING: dict[str, Callable[[str, str, int, int], dict[str, Any]]] = {
    "a spend": lambda ada, bob, hers, his: {"entries": [entry(ada, -51, "spend")]},
    "a spend that says what it takes": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -51, "spend", draws=[{"grant": hers, "credits": 51}])]
    },
    "two spends in one change": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -30, "spend"), entry(ada, -30, "spend")]
    },
    "a spend from another's grant": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -50, "spend", draws=[{"grant": his, "credits": 50}])]
    },
    "a spend that takes nothing": lambda ada, bob, hers, his: {"entries": [entry(ada, -50, "spend", draws=[])]},
    "a spend that takes too little": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -50, "spend", draws=[{"grant": hers, "credits": 49}])]
    },
    "a spend that takes more than it is": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -10, "spend", draws=[{"grant": hers, "credits": 50}])]
    },
    "a spend that gives back and takes": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -10, "spend", draws=[{"grant": hers, "credits": 20}, {"grant": hers, "credits": -10}])]
    },
    "a spend of parts of credits": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -1, "spend", draws=[{"grant": hers, "credits": 0.5}, {"grant": hers, "credits": 0.5}])]
    },
    "a spend of part of a credit": lambda ada, bob, hers, his: {"entries": [entry(ada, -0.5, "spend")]},
    "a spend that gives": lambda ada, bob, hers, his: {"entries": [entry(ada, 1000, "spend")]},
    "a purchase that takes": lambda ada, bob, hers, his: {"entries": [entry(ada, -1000, "purchase")]},
    "a promotion that takes": lambda ada, bob, hers, his: {"entries": [entry(ada, -1000, "promotion")]},
    "a second opening": lambda ada, bob, hers, his: {"entries": [entry(ada, -1000, "opening")]},
    "an unknown kind": lambda ada, bob, hers, his: {"entries": [entry(ada, -1000, "theft")]},
    "an adjustment": lambda ada, bob, hers, his: {"entries": [entry(ada, -51, "adjustment")]},
    "an expiry": lambda ada, bob, hers, his: {"entries": [entry(ada, -51, "expiry")]},
    "an amount beyond all numbers": lambda ada, bob, hers, his: {"entries": [entry(ada, -(2**63), "spend")]},
    "a capture without a hold": lambda ada, bob, hers, his: {"entries": [entry(ada, -10, "capture")]},
    "a capture of a new hold": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -10, "capture")],
        "holds": [hold(ada, 10, (hers, 10), captured=10, status="captured")],
    },
    "a hold": lambda ada, bob, hers, his: {"holds": [hold(ada, 51, (hers, 51))]},
    "a hold of another's grant": lambda ada, bob, hers, his: {"holds": [hold(ada, 10, (his, 10))]},
    "a hold that reserves nothing": lambda ada, bob, hers, his: {"holds": [hold(ada, 10)]},
    "a hold that reserves less": lambda ada, bob, hers, his: {"holds": [hold(ada, 10, (hers, 9))]},
    "a hold that gives back": lambda ada, bob, hers, his: {"holds": [hold(ada, 10, (hers, 60), (hers, -50))]},
    "a hold of less than nothing": lambda ada, bob, hers, his: {"holds": [hold(ada, -10, (hers, -10))]},
    "a hold and a spend together": lambda ada, bob, hers, his: {
        "entries": [entry(ada, -30, "spend")],
        "holds": [hold(ada, 30, (hers, 30))],
    },
    "two holds together": lambda ada, bob, hers, his: {"holds": [hold(ada, 30, (hers, 30)), hold(ada, 30, (hers, 30))]},
    "a hold on nobody": lambda ada, bob, hers, his: {"holds": [hold(str(uuid.uuid4()), 1, (hers, 1))]},
    "a stale decision": lambda ada, bob, hers, his: {
        "account": {"user_id": ada, "expected_revision": 0},
        "entries": [entry(ada, -1, "spend")],
    },
    "a decision on nobody": lambda ada, bob, hers, his: {
        "account": {"user_id": str(uuid.uuid4()), "expected_revision": 0},
        "entries": [entry(ada, -1, "spend")],
    },
    "no user at all": lambda ada, bob, hers, his: {"entries": [entry("ada", -1, "spend")]},
    "entries that are none": lambda ada, bob, hers, his: {"entries": ["spend"]},
}


INSUFFICIENT = {
    "a spend", "two spends in one change", "an adjustment", "an expiry", "an amount beyond all numbers",
    "a hold", "a hold and a spend together", "two holds together",
}  # fmt: skip
OTHERWISE_TOLD = {
    "a capture without a hold": ("conflict", "hold"),
    "a capture of a new hold": ("conflict", "hold"),
    "a hold on nobody": ("conflict", "unknown_user"),
    "a decision on nobody": ("conflict", "unknown_user"),
    "a stale decision": ("conflict", "account"),
    "a spend of parts of credits": ("refused", "22P02"),
    "a spend of part of a credit": ("refused", "22P02"),
    "no user at all": ("refused", "22P02"),
    "entries that are none": ("refused", "22023"),
    "a spend that gives": ("refused", "23514"),
    "a purchase that takes": ("refused", "23514"),
    "a promotion that takes": ("refused", "23514"),
    "a second opening": ("refused", "23514"),
    "an unknown kind": ("refused", "23514"),
    "a hold of less than nothing": ("refused", "23514"),
}


def reported_of(path: str) -> tuple[str, str]:
    """The status, with the reason of a conflict or Postgres's code of what is malformed: the grants lack, mostly."""
    if path in INSUFFICIENT:
        return "conflict", "insufficient_credits"
    return OTHERWISE_TOLD.get(path, ("conflict", "grants"))


@pytest.mark.parametrize("path", OVERDRAWING)
async def test_nothing_is_overdrawn(database_url: str, path: str) -> None:
    """However a caller tries to take what is not there, nothing at all is written, and what follows is."""
    async with in_database(database_url) as books:
        ada, bob = await books.sign_up(), await books.sign_up()
        hers, his = await books.grant(ada, 50), await books.grant(bob, 70)
        before = [await books.wallet(ada), await books.wallet(bob)]
        change = OVERDRAWING[path](ada, bob, hers, his)
        request = {"key": "key", "user_id": ada, "content": {}, "answer": {}}
        answers = await books.call(
            "ledger_commit", [{"outbox": [], "request": request, **change}, {"entries": [entry(bob, -1, "spend")]}]
        )
        assert (reported_of(path), "committed") == (
            (answers[0]["status"], answers[0].get("reason") or answers[0]["sqlstate"]),
            answers[1]["status"],
        ), answers
        after = [await books.wallet(ada), await books.wallet(bob)]
        assert before[0] == after[0]
        assert before[1]["account"]["balance"] - 1 == after[1]["account"]["balance"]
        assert [] == (await books.call("accounts_read_for_spending", {"keys": ["key"]}))["requests"]


@pytest.mark.parametrize(("amount", "captured"), [(-11, 11), (-11, 10), (-5, 10), (-10, 5), (0, 0)])
async def test_a_capture_is_what_its_hold_says(database_url: str, amount: int, captured: int) -> None:
    """More than was held can't be captured, nor other than the hold then says."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        standing = hold(ada, 10, (await books.grant(ada, 50), 10))
        assert "committed" == await books.outcome(holds=[standing])
        entries = [entry(ada, amount, "capture")]
        assert "committed" != await books.outcome(entries=entries, holds=[settled(standing, captured)])
        assert (50, 10, 50) == await books.figures(ada)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "voided"},
        {"status": "expired"},
        {"status": "open"},
        {"status": "captured", "captured": 5},
        {"status": "voided", "credits": 5},
    ],
)
async def test_a_hold_settles_once(database_url: str, change: dict[str, Any]) -> None:
    """What was captured stays so, whatever comes after it."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        standing = hold(ada, 10, (await books.grant(ada, 50), 10))
        assert "committed" == await books.outcome(holds=[standing])
        captured = [entry(ada, -10, "capture")]
        assert "committed" == await books.outcome(entries=captured, holds=[settled(standing, 10)])
        assert "hold" == await books.outcome(holds=[{**settled(standing, 0), **change}])
        assert (40, 0, 40) == await books.figures(ada)


async def test_a_hold_can_not_change_hands_or_size(database_url: str) -> None:
    """Its account, its credits and its key stay what they were."""
    async with in_database(database_url) as books:
        ada, bob = await books.sign_up(), await books.sign_up()
        hers, his = await books.grant(ada, 50), await books.grant(bob, 50)
        standing = hold(ada, 10, (hers, 10))
        assert "committed" == await books.outcome(holds=[standing])
        assert "hold" == await books.outcome(
            holds=[{**standing, "user_id": bob, **hold(bob, 10, (his, 10), id=standing["id"])}]
        )
        assert "hold" == await books.outcome(
            holds=[{**standing, "credits": 20, "draws": [{"grant": hers, "credits": 20}]}]
        )
        assert "hold" == await books.outcome(holds=[{**standing, "idempotency_key": "other"}])
        assert (50, 10, 50) == await books.figures(ada)


async def test_a_capture_is_good_although_credits_were_taken_back(database_url: str) -> None:
    """What a hold set aside can be captured after a clawback; what is missing is debt, and the next grant pays it."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        pack = await books.grant(ada, 50, "purchase", purchase_id="pi_1")
        standing = hold(ada, 40, (pack, 40))
        assert "committed" == await books.outcome(holds=[standing])
        assert "committed" == await books.outcome(entries=[entry(ada, -50, "clawback", purchase_id="pi_1")])
        assert (0, 40, 0) == await books.figures(ada)
        assert "insufficient_credits" == await books.outcome(entries=[entry(ada, -1, "spend")])
        captured = [entry(ada, -30, "capture", draws=[])]
        assert "committed" == await books.outcome(entries=captured, holds=[settled(standing, 30)])
        assert (-30, 0, 0) == await books.figures(ada)
        await books.grant(ada, 50, "purchase", purchase_id="pi_2")
        assert (20, 0, 20) == await books.figures(ada)
        (grant,) = (await books.wallet(ada))["grants"]
        assert (50, 20) == (grant["credits"], grant["remaining"])


async def test_a_clawback_spares_what_others_hold(database_url: str) -> None:
    """It takes its own purchase's grant, then what is free of others as they burn, then what is held, then is debt."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        own = await books.grant(ada, 50, "purchase", purchase_id="pi_1")
        gift = await books.grant(ada, 10, "promotion")
        pack = await books.grant(ada, 30, "purchase", purchase_id="pi_2")
        assert "committed" == await books.outcome(holds=[hold(ada, 9, (gift, 4), (pack, 5))])
        spent = [{"grant": own, "credits": 40}]
        assert "committed" == await books.outcome(entries=[entry(ada, -40, "spend", draws=spent)])

        async def claw_back(amount: int) -> list[int]:
            change = [entry(ada, -amount, "clawback", purchase_id="pi_1")]
            assert "committed" == await books.outcome(entries=change)
            rows = await books.connection.fetch("select remaining from public.credit_grants order by id")
            return [row["remaining"] for row in rows]

        assert [0, 10, 30] == await claw_back(10)
        assert [0, 4, 30] == await claw_back(6)
        assert [0, 4, 5] == await claw_back(25)
        assert [0, 0, 4] == await claw_back(5)
        assert [0, 0, 0] == await claw_back(10)
        assert (-6, 9, 0) == await books.figures(ada)


async def test_what_expired_is_reinstated_for_good(database_url: str) -> None:
    """Credits that come back for a grant that has expired get grants that do not; else they return to their own."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        own = await books.grant(ada, 50, "purchase", purchase_id="pi_1", expires_at="2100-01-01T00:00:00Z")

        async def turn(amount: int, kind: str) -> None:
            fields = {"purchase_id": "pi_1", "expires_at": "2100-01-01T00:00:00Z"}
            assert "committed" == await books.outcome(entries=[entry(ada, amount, kind, **fields)])

        await turn(-20, "clawback")
        await turn(20, "reinstatement")
        (grant,) = (await books.wallet(ada))["grants"]
        assert (own, 70, 50) == (grant["id"], grant["credits"], grant["remaining"])
        await books.connection.execute("update public.credit_grants set expires_at = '2026-01-01T00:00:00Z'")
        await turn(-20, "clawback")
        await turn(15, "reinstatement")
        await turn(5, "reinstatement")
        grants = (await books.wallet(ada))["grants"]
        assert [(30, False), (15, True), (5, True)] == [
            (grant["remaining"], grant["expires_at"] is None) for grant in grants
        ]


async def test_the_low_balance_is_reported_once_per_crossing(database_url: str) -> None:
    """Whatever lowers the available credits below the threshold, one message says so; none while they stay there."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        grant = await books.grant(ada, 50)

        async def reported() -> list[dict[str, str]]:
            query = "select payload from public.outbox where topic = 'low_balance' order by id"
            return [json.loads(row["payload"]) for row in await books.connection.fetch(query)]

        assert "committed" == await books.outcome(entries=[entry(ada, -20, "spend")], notify_below=30)
        assert [] == await reported()
        held = hold(ada, 1, (grant, 1))
        assert "committed" == await books.outcome(holds=[held], notify_below=30)
        message = {"user_id": ada, "balance": "30", "held": "1", "available": "29", "threshold": "30"}
        assert [message] == await reported()
        assert "committed" == await books.outcome(entries=[entry(ada, -1, "spend")], notify_below=30)
        assert 1 == len(await reported())
        assert "committed" == await books.outcome(holds=[settled(held, 0, "voided")], notify_below=30)
        await books.grant(ada, 1)
        assert "committed" == await books.outcome(entries=[entry(ada, -1, "spend")], notify_below=30)
        assert 2 == len(await reported())
        await books.connection.execute("update public.users set credits_notify_below = 10")
        assert "committed" == await books.outcome(entries=[entry(ada, -18, "spend")], notify_below=30)
        assert 2 == len(await reported())
        assert "committed" == await books.outcome(entries=[entry(ada, -3, "clawback")])
        assert "10" == (await reported())[2]["threshold"]
        keys = await books.connection.fetch("select key from public.outbox where topic = 'low_balance' order by id")
        assert [f"low_balance:{ada}:3", f"low_balance:{ada}:7", f"low_balance:{ada}:9"] == [row["key"] for row in keys]


async def test_a_repeated_request_gets_its_first_answer(database_url: str) -> None:
    """The answer that was kept comes back as it was, and nothing else of the change is written."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        await books.grant(ada, 50)
        kept = {"key": "k", "user_id": ada, "content": {"credits": 5}, "answer": {"b": [1, "\u00e9"], "a": None}}
        assert "committed" == await books.outcome(entries=[entry(ada, -5, "spend")], request=kept)
        other = {**kept, "content": {"credits": 6}, "answer": {}}
        again = await books.commit(entries=[entry(ada, -6, "spend")], request=other)
        assert ("duplicate", kept, 45) == (again["status"], again["request"], again["accounts"][0]["balance"])
        assert [kept] == (await books.call("accounts_read_for_spending", {"keys": ["k", "none"]}))["requests"]
        assert (45, 0, 45) == await books.figures(ada)


async def test_what_is_due_is_found_oldest_first(database_url: str) -> None:
    """Expired grants of which something is free, and open holds past their time; nothing else."""
    async with in_database(database_url) as books:
        users = [await books.sign_up() for _ in range(6)]
        past = [f"2026-01-0{day}T00:00:00Z" for day in range(1, 7)]
        await books.grant(users[0], 50, expires_at=past[2])
        held = await books.grant(users[1], 50)
        assert "committed" == await books.outcome(holds=[hold(users[1], 5, (held, 5), expires_at=past[1])])
        gone = await books.grant(users[2], 50, expires_at=past[0])
        spent = [entry(users[2], -50, "spend", draws=[{"grant": gone, "credits": 50}])]
        assert "committed" == await books.outcome(entries=spent)
        reserved = await books.grant(users[3], 50, expires_at=past[0])
        assert "committed" == await books.outcome(holds=[hold(users[3], 50, (reserved, 50))])
        await books.grant(users[4], 50, expires_at="2100-01-01T00:00:00Z")
        await books.grant(users[5], 50)
        assert [users[1], users[0]] == await books.call("accounts_with_overdue", 10)
        assert [users[1]] == await books.call("accounts_with_overdue", 1)


async def test_a_purchase_remembers_what_lapsed(database_url: str) -> None:
    """What expired does not count as taken back; beside it stands what was posted when it did."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        purchase = {
            "id": "pi_1",
            "expected_revision": 0,
            "user_id": ada,
            "payment_status": "paid",
            "facts": {},
            "links": ["session:1"],
        }
        bought = [entry(ada, 50, "purchase", purchase_id="pi_1")]
        assert "committed" == await books.outcome(purchase=purchase, entries=bought)
        for amount, kind in (
            (-10, "clawback"),
            (-15, "expiry"),
            (5, "reinstatement"),
            (-20, "expiry"),
            (3, "reinstatement"),
        ):
            change = [entry(ada, amount, kind, purchase_id="pi_1")]
            assert "committed" == await books.outcome(entries=change)
        (found,) = (await books.call("ledger_read", {"links": ["session:1"]}))["purchases"]
        stands = {"user_id": ada, "period_ends_at": None, "posted": 48, "lapsed": 35, "stood": 45}
        # Ten were taken from the grant itself, and eight came back without saying to which.
        clawed_back = {"credits": 2, "from_own": 10, "from_others": []}
        assert [{**stands, "clawed_back": clawed_back, "grant": {"expires_at": None}}] == found["posted"]


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
    "update public.credit_holds set status = 'voided'": "held_differs_from_holds",
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


async def test_spends_at_the_same_moment_never_overdraw(database_url: str) -> None:
    """Of sixty spends that come at once by twelve connections, as many succeed as there are credits for."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        await books.grant(ada, 30, "promotion")
        await books.grant(ada, 10)

        async def call() -> list[str]:
            connection = await asyncpg.connect(database_url)
            try:
                other = Books(connection)
                return [await spend(other) for _ in range(5)]
            finally:
                await connection.close()

        async def spend(other: Books) -> str:
            # A wait for eleven others may take longer than a call waits.
            while (outcome := await other.outcome(entries=[entry(ada, -2, "spend")])) == "locked":
                pass
            return outcome

        outcomes = [outcome for many in await asyncio.gather(*(call() for _ in range(12))) for outcome in many]
        assert 20 == outcomes.count("committed")
        assert 40 == outcomes.count("insufficient_credits")
        assert (0, 0, 0) == await books.figures(ada)


async def test_the_past_can_be_asked_for(database_url: str) -> None:
    """An account's balance and held credits at a moment, and its entries by kind, time and purchase."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        start = await books.now()
        grant = await books.grant(ada, 50, "purchase", purchase_id="pi_1")
        assert "committed" == await books.outcome(holds=[hold(ada, 10, (grant, 10))])
        middle = await books.now()
        assert "committed" == await books.outcome(entries=[entry(ada, -5, "spend")])
        end = await books.now()
        figures = [await books.call("balance_at", uuid.UUID(ada), moment) for moment in (start, middle, end)]
        wanted = [{"balance": 0, "held": 0}, {"balance": 50, "held": 10}, {"balance": 45, "held": 10}]
        assert wanted == figures

        async def amounts(**filters: Any) -> list[int]:
            rows = await books.call("account_transactions", uuid.UUID(ada), None, 10, filters)
            return [row["amount"] for row in rows]

        assert [-5, 50] == await amounts()
        assert [-5] == await amounts(kinds=["spend", "capture"])
        assert [-5] == await amounts(since=middle)
        assert [50] == await amounts(until=middle)
        assert [50] == await amounts(purchase_id="pi_1", kinds=None)
