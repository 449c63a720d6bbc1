"""What the ledger says of spending afterwards: first answers, low balances, what is due, what expired, the past."""

import hashlib
import json
import uuid
from typing import Any

import pytest

from migrations.tests.books import entry, hold, in_database, settled


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


def spend_request(user: str, **answer: Any) -> dict[str, Any]:
    """A spend of 5 credits of 50, as the service asks for it to be kept."""
    content = {"operation": "spend", "user_id": user, "credits": 5, "description": "é", "metadata.job": "a\\b"}
    rebuilt = {"user_id": user, "kind": "spend", "credits": -5, "version": 2, "balance": 45, "held": 7, "available": 38}
    rebuilt |= {"created_at": "2026-11-30T12:00:00.000001+00:00", "expires_at": None}
    return {"key": "k", "user_id": user, "content": content, "answer": rebuilt | answer}


KEPT_ANSWERS = {
    "as the entry says": ({}, True),
    "at a full second": ({"created_at": "2026-11-30T12:00:00+00:00"}, False),
    "with an end": ({"expires_at": "2100-01-01T00:00:00+00:00"}, False),
    "with something more": ({"note": "more"}, False),
    "of another balance": ({"balance": 46}, False),
    "of another version": ({"version": 1}, False),
}


@pytest.mark.parametrize("answer", KEPT_ANSWERS)
async def test_an_answer_that_its_entry_says_is_made_again_exactly(database_url: str, answer: str) -> None:
    """It takes no bytes then; one that differs in anything is kept whole, and both come back as they were."""
    differing, is_made_again = KEPT_ANSWERS[answer]
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        await books.grant(ada, 50)
        kept = spend_request(ada, **differing)
        spent = entry(ada, -5, "spend", description="é", metadata={"job": "a\\b"})
        assert "committed" == await books.outcome(entries=[spent], request=kept)
        row = await books.connection.fetchrow("select * from public.credit_requests")
        assert [is_made_again] * 2 == [row["content"] is None, row["answer"] is None]
        assert [kept] == (await books.call("accounts_read_for_spending", {"keys": ["other", "k"]}))["requests"]
        again = await books.commit(entries=[entry(ada, -5, "spend")], request={**kept, "content": {}, "answer": {}})
        assert ("duplicate", kept) == (again["status"], again["request"])


@pytest.mark.parametrize("key", ["k", "\\", "\\x41", "a\\\\b", "\\101", "é\u2028", "'", "x" * 3000])
async def test_a_key_is_found_by_half_of_its_sha256(database_url: str, key: str) -> None:
    """Whatever characters it has, and however long it is, and a key that looks alike is another one."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        await books.grant(ada, 50)
        digest = await books.connection.fetchval("select public.credence_key_digest($1)", key)
        assert hashlib.sha256(key.encode()).digest()[:16] == digest.bytes
        spent = {**entry(ada, -5, "spend"), "idempotency_key": key}
        outcomes = [
            await books.outcome(entries=[one]) for one in (spent, spent, {**spent, "idempotency_key": f"{key}\\"})
        ]
        assert ["committed", "duplicate", "committed"] == outcomes


async def test_one_purchase_gives_its_credits_once_also_to_who_is_in_debt(database_url: str) -> None:
    """The grant of a purchase can't be there twice, whatever pays a debt at once."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        assert "committed" == await books.outcome(entries=[entry(ada, -100, "clawback")])
        bought = [entry(ada, 30, "purchase", purchase_id="pi_1") for _ in range(2)]
        assert "committed" == await books.outcome(entries=[bought[0]])
        again = await books.commit(entries=[bought[1]])
        assert ("refused", "23505") == (again["status"], again["sqlstate"])
        assert (-70, 0, 0) == await books.figures(ada)


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
            "facts": {"links": ["session:1"]},
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
        stands = {"user_id": ada, "period_ends_at": None, "posted": 48, "expired": 35, "posted_before": 45}
        # Ten were taken from the grant itself, and eight came back without saying to which.
        clawed_back = {"credits": 2, "from_own": 10, "from_others": []}
        assert [{**stands, "clawed_back": clawed_back, "grant": {"expires_at": None}}] == found["posted"]


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
