"""What Postgres guards of spending, whatever its caller decided: called directly, with JSON that nobody should send."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from migrations.tests.books import Books, entry, hold, in_database, settled

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
        open_hold = hold(ada, 10, (await books.grant(ada, 50), 10))
        assert "committed" == await books.outcome(holds=[open_hold])
        entries = [entry(ada, amount, "capture")]
        assert "committed" != await books.outcome(entries=entries, holds=[settled(open_hold, captured)])
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
        open_hold = hold(ada, 10, (await books.grant(ada, 50), 10))
        assert "committed" == await books.outcome(holds=[open_hold])
        captured = [entry(ada, -10, "capture")]
        assert "committed" == await books.outcome(entries=captured, holds=[settled(open_hold, 10)])
        assert "hold" == await books.outcome(holds=[{**settled(open_hold, 0), **change}])
        assert (40, 0, 40) == await books.figures(ada)


async def test_a_hold_can_not_change_hands_or_size(database_url: str) -> None:
    """Its account, its credits and its key stay what they were."""
    async with in_database(database_url) as books:
        ada, bob = await books.sign_up(), await books.sign_up()
        hers, his = await books.grant(ada, 50), await books.grant(bob, 50)
        open_hold = hold(ada, 10, (hers, 10))
        assert "committed" == await books.outcome(holds=[open_hold])
        assert "hold" == await books.outcome(
            holds=[{**open_hold, "user_id": bob, **hold(bob, 10, (his, 10), id=open_hold["id"])}]
        )
        assert "hold" == await books.outcome(
            holds=[{**open_hold, "credits": 20, "draws": [{"grant": hers, "credits": 20}]}]
        )
        assert "hold" == await books.outcome(holds=[{**open_hold, "idempotency_key": "other"}])
        assert (50, 10, 50) == await books.figures(ada)


async def test_a_capture_is_good_although_credits_were_taken_back(database_url: str) -> None:
    """What a hold set aside can be captured after a clawback; what is missing is debt, and the next grant pays it."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        pack = await books.grant(ada, 50, "purchase", purchase_id="pi_1")
        open_hold = hold(ada, 40, (pack, 40))
        assert "committed" == await books.outcome(holds=[open_hold])
        assert "committed" == await books.outcome(entries=[entry(ada, -50, "clawback", purchase_id="pi_1")])
        assert (0, 40, 0) == await books.figures(ada)
        assert "insufficient_credits" == await books.outcome(entries=[entry(ada, -1, "spend")])
        captured = [entry(ada, -30, "capture", draws=[])]
        assert "committed" == await books.outcome(entries=captured, holds=[settled(open_hold, 30)])
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
