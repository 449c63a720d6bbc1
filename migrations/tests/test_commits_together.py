"""Changes that are written together come to the same as changes that are judged one by one."""

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

STATES = {
    "accounts": """
        select id, credits_balance, credits_held, credits_version, credits_revision from public.users order by id
    """,
    "entries": """
        select
            user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id, metadata::text
        from public.credit_transactions order by user_id, version
    """,
    "grants": """
        select
            user_id, row_number() over (partition by user_id order by id), kind, purchase_id, credits, remaining, held,
            priority, expires_at
        from public.credit_grants order by 1, 2
    """,
    "draws": """
        select d.user_id, d.version, g.place, d.credits
        from public.credit_draws d
        join (
            select id, row_number() over (partition by user_id order by id) as place from public.credit_grants
        ) g on g.id = d.grant_id
        order by 1, 2, 3
    """,
    "holds": "select id, user_id, credits, captured, status, settled_at is null from public.credit_holds order by id",
    "requests": """
        select key_digest, user_id, version, held, content::text, answer::text
        from public.credit_requests order by key_digest
    """,
    "events": """
        select id, status, purchase_id, affected_users, attempts, retry_at is null
        from public.webhook_events order by id
    """,
    "purchases": "select id, revision, payment_status, merged_into from public.purchases order by id",
    "links": "select link_digest, purchase_id from public.purchase_links order by link_digest",
    "messages": "select topic, key, payload::text from public.outbox order by key",
    "problems": "select user_id, problem from public.validate_credits_consistency()",
}
ALONE = "select public.credence_apply_alone($1::jsonb, public.credence_named_users(array[$1::jsonb]))"
USERS = [str(uuid.UUID(int=number)) for number in (1, 2, 3)]


class Caller:
    """Makes changes, mostly good, some repeated, stale, greedy or broken; grants are named by their place."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - seeded chance is the point
        self.made: list[dict[str, Any]] = []
        self.holds: list[dict[str, Any]] = []
        self.payments: list[str] = []

    def batch(self, wallets: dict[str, Any]) -> list[dict[str, Any]]:
        revisions = {user: wallet["account"]["revision"] for user, wallet in wallets.items()}
        return [self._change(wallets, revisions) for _ in range(self.chance.randint(1, 12))]

    def _id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128)))

    def _change(self, wallets: dict[str, Any], revisions: dict[str, int]) -> dict[str, Any]:
        if self.made and self.chance.random() < 0.1:
            return self.chance.choice(self.made)
        user = self.chance.choice(USERS)
        kinds = (
            self._purchase,
            self._clawback,
            self._spend,
            self._spend,
            self._spend,
            self._hold,
            self._settle,
            self._odd,
        )
        made = self.chance.choice(kinds)(user, wallets[user], revisions)
        self.made.append(made)
        return made

    def _guarded(self, user: str, revisions: dict[str, int], moves: int, **change: Any) -> dict[str, Any]:
        expected = revisions[user] - (self.chance.random() < 0.05)
        revisions[user] += moves
        return {"account": {"user_id": user, "expected_revision": expected}, "notify_below": 20, "outbox": [], **change}

    def _entry(self, user: str, amount: int, kind: str, **more: Any) -> dict[str, Any]:
        return {"user_id": user, "amount": amount, "kind": kind, "idempotency_key": self._id(), **more}

    def _shares(self, wallet: dict[str, Any], wanted: int) -> list[dict[str, int]]:
        shares = []
        for place, grant in enumerate(wallet["grants"]):
            part = min(wanted, max(0, grant["remaining"] - grant["held"]))
            if part > 0:
                shares.append({"place": place, "credits": part})
                grant["remaining"] -= part
                wanted -= part
        return shares

    def _purchase(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        payment = self.chance.choice(self.payments) if self.payments and self.chance.random() < 0.2 else self._id()
        self.payments.append(payment)
        revisions[user] += 1
        amount = self.chance.randint(1, 50)
        status = self.chance.choice(["applied", "applied", "applied", "parked", "ignored"])
        event = {"id": self._id(), "type": "t", "livemode": False, "status": status, "body": "{}"}
        purchase = {
            "id": payment,
            "expected_revision": int(self.chance.random() < 0.1),
            "user_id": user,
            "payment_status": "paid",
            "facts": {"links": [f"session:{payment}", f"charge:{self.chance.randint(1, 200)}"]},
        }
        entries = [self._entry(user, amount, "purchase", purchase_id=payment, expires_at="2100-01-01T00:00:00Z")]
        outbox = [{"topic": "send_invoice", "key": f"i:{payment}", "payload": {"user_id": user}}]
        return {"event": event, "purchase": purchase, "entries": entries, "outbox": outbox, "notify_below": 20}

    def _clawback(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        if not self.payments:
            return {}
        revisions[user] += 1
        kind = self.chance.choice(["clawback", "reinstatement"])
        amount = self.chance.randint(1, 40) * (-1 if kind == "clawback" else 1)
        return {
            "entries": [self._entry(user, amount, kind, purchase_id=self.chance.choice(self.payments))],
            "outbox": [],
        }

    def _spend(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        shares = self._shares(wallet, self.chance.randint(1, 12))
        amount = sum(share["credits"] for share in shares) + (self.chance.random() < 0.1)
        kind = self.chance.choice(["spend", "spend", "spend", "expiry", "adjustment"])
        entries = [self._entry(user, -amount, kind, draws=shares, metadata={"é": "\\"})]
        key = self._id()
        request = {"key": key, "user_id": user, "content": {"credits": amount}, "answer": {"n": [amount]}}
        return self._guarded(user, revisions, 1, entries=entries, request=request)

    def _hold(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        shares = self._shares(wallet, self.chance.randint(1, 12))
        hold = {
            "id": self._id(),
            "user_id": user,
            "credits": sum(share["credits"] for share in shares) + (self.chance.random() < 0.1),
            "status": "open",
            "idempotency_key": self._id(),
            "expires_at": "2100-01-01T00:00:00Z",
            "draws": shares,
        }
        self.holds.append(hold)
        return self._guarded(user, revisions, 1, holds=[hold])

    def _settle(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        if not self.holds:
            return {}
        hold = self.chance.choice(self.holds)
        captured = self.chance.choice([0, hold["credits"], hold["credits"] // 2])
        settled = {**hold, "status": "captured" if captured else "voided", "captured": captured}
        shares, missing = [], captured
        for share in hold["draws"]:
            part = min(missing, share["credits"])
            missing -= part
            shares += [{**share, "credits": part}] if part else []
        entries = [self._entry(hold["user_id"], -captured, "capture", draws=shares)] if captured else []
        return self._guarded(hold["user_id"], revisions, 1 + len(entries), entries=entries, holds=[settled])

    def _odd(self, user: str, wallet: Any, revisions: dict[str, int]) -> dict[str, Any]:
        other = self.chance.choice(USERS)
        return self.chance.choice(
            [
                {},
                {"entries": "none"},
                {"entries": [self._entry(user, 0, "spend")]},
                {"entries": [self._entry(user, -3, "spend")]},
                {"entries": [self._entry(self._id(), 5, "promotion")]},
                {"entries": [self._entry(user, 5, "promotion"), self._entry(other, 5, "goodwill", priority=20)]},
                {
                    "event": {"id": "evt", "type": "t", "livemode": False, "status": "ignored", "body": "{}"},
                    "entries": [],
                },
                {"subscription": {"id": "sub", "expected_revision": 0, "facts": {}}},
            ]
        )


def named(value: Any, grants: dict[str, list[int]], user: str | None = None) -> Any:
    """A change as one database takes it: with its own ids of the grants that are named by their place."""
    if isinstance(value, dict):
        user = value.get("user_id", user)
        if "place" in value:
            known = grants.get(str(user), [])
            place = value["place"]
            return {"grant": known[place] if place < len(known) else 0, "credits": value["credits"]}
        return {key: named(one, grants, user) for key, one in value.items()}
    return [named(one, grants, user) for one in value] if isinstance(value, list) else value


async def grants_of(connection: Any) -> dict[str, list[int]]:
    rows = await connection.fetch("select user_id, id from public.credit_grants order by user_id, id")
    return {user: [row["id"] for row in rows if str(row["user_id"]) == user] for user in USERS}


async def wallets_of(connection: Any) -> dict[str, Any]:
    found = json.loads(
        await connection.fetchval("select public.accounts_read_for_spending($1)", json.dumps({"user_ids": USERS}))
    )
    rows = await connection.fetch(
        "select user_id, remaining, held from public.credit_grants order by user_id, id",
    )
    return {
        wallet["account"]["user_id"]: {
            "account": wallet["account"],
            "grants": [dict(row) for row in rows if str(row["user_id"]) == wallet["account"]["user_id"]],
        }
        for wallet in found["wallets"]
    }


@pytest.fixture
def two_databases(new_database: Callable[[], str]) -> tuple[str, str]:
    """Two fresh migrated databases."""
    return new_database(), new_database()


@pytest.mark.parametrize("seed", range(12))
async def test_together_is_one_by_one(two_databases: tuple[str, str], seed: int) -> None:
    """A batch in one call answers and leaves what its changes do, each by the ledger's own rules alone.

    Of an account that changes are guarded by none is written after one that is not.
    """
    together, alone = [await asyncpg.connect(url) for url in two_databases]
    try:
        for connection in (together, alone):
            for user in USERS:
                await connection.execute("insert into auth.users (id) values ($1::text::uuid)", user)
        caller, statuses = Caller(seed), set()
        for _ in range(12):
            batch = caller.batch(await wallets_of(together))
            sent = json.dumps(named(batch, await grants_of(together)))
            answers = json.loads(await together.fetchval("select public.ledger_commit($1)", sent))
            grants = await grants_of(alone)
            wanted: list[dict[str, Any]] = []
            aborted: set[str] = set()
            for change in batch:
                user = (change.get("account") or {}).get("user_id")
                if user in aborted:  # it was decided on top of what is not committed
                    wanted.append({"status": "conflict", "reason": "account"})
                    continue
                sent_alone = json.dumps(named(change, grants))
                wanted.append(json.loads(await alone.fetchval(ALONE, sent_alone)))
                if user is not None and wanted[-1]["status"] != "committed":
                    aborted.add(user)
            assert wanted == answers, sent
            statuses |= {answer["status"] for answer in answers}
            for name, query in STATES.items():
                states = [[tuple(row) for row in await one.fetch(query)] for one in (alone, together)]
                assert states[0] == states[1], name
                assert name != "problems" or not states[0], states[0]
        assert {"committed", "conflict"} <= statuses
    finally:
        await together.close()
        await alone.close()


async def test_what_is_freed_later_can_not_be_set_aside_before(database_url: str) -> None:
    """A hold on credits that another hold still has is refused, although the same call frees those after it."""
    connection = await asyncpg.connect(database_url)
    try:
        ada = USERS[0]
        await connection.execute("insert into auth.users (id) values ($1::text::uuid)", ada)

        async def commit(*changes: dict[str, Any]) -> list[str]:
            answers = json.loads(await connection.fetchval("select public.ledger_commit($1)", json.dumps(changes)))
            return [answer.get("reason", answer["status"]) for answer in answers]

        caller = Caller(0)
        given = [caller._entry(ada, 10, "promotion"), caller._entry(ada, 10, "promotion")]
        assert ["committed"] == await commit({"entries": given})
        (first, _) = (await grants_of(connection))[ada]

        def hold(number: int) -> dict[str, Any]:
            return {
                "id": str(uuid.UUID(int=number)),
                "user_id": ada,
                "credits": 10,
                "status": "open",
                "idempotency_key": f"hold {number}",
                "expires_at": "2100-01-01T00:00:00Z",
                "draws": [{"grant": first, "credits": 10}],
            }

        assert ["committed"] == await commit({"holds": [hold(1)]})
        freed = {**hold(1), "status": "voided"}
        assert ["grants", "committed"] == await commit({"holds": [hold(2)]}, {"holds": [freed]})
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
    finally:
        await connection.close()


async def test_two_purchases_of_one_call_do_not_share_a_link(database_url: str) -> None:
    """The second is told that the link is another's, as in a call of its own."""
    connection = await asyncpg.connect(database_url)
    try:
        sales = [
            {
                "purchase": {
                    "id": f"sale {n}",
                    "expected_revision": 0,
                    "payment_status": "paid",
                    "facts": {"links": ["charge:1", f"session:{n}"]},
                }
            }
            for n in range(2)
        ]
        answers = json.loads(await connection.fetchval("select public.ledger_commit($1)", json.dumps(sales)))
        assert ["committed", "link"] == [answer.get("reason", answer["status"]) for answer in answers]
        links = await connection.fetch(
            "select l.link, k.purchase_id from unnest(array['charge:1', 'session:0', 'session:1']) l (link)"
            " join public.purchase_links k on k.link_digest = public.credence_key_digest(l.link) order by l.link"
        )
        assert [("charge:1", "sale 0"), ("session:0", "sale 0")] == [tuple(row) for row in links]
    finally:
        await connection.close()


async def test_good_changes_are_not_applied_alone(database_url: str) -> None:
    """Purchases, spends, holds and captures are written together, whatever many of them are on one account."""
    connection = await asyncpg.connect(database_url)
    try:
        for user in USERS:
            await connection.execute("insert into auth.users (id) values ($1::text::uuid)", user)
        # Without this only what is written together is written at all.
        await connection.execute("drop function public.credence_apply_alone(jsonb, uuid[])")

        async def commit(changes: list[dict[str, Any]]) -> None:
            answers = json.loads(
                await connection.fetchval("select public.ledger_commit($1)", json.dumps([*changes, {}]))
            )
            assert {"committed"} == {answer["status"] for answer in answers}, answers

        caller, revisions = Caller(0), dict.fromkeys(USERS, 0)
        bought = [
            {
                **(made := caller._purchase(USERS[n % 3], None, revisions)),
                "purchase": {
                    **made["purchase"],
                    "id": f"pi_{n}",
                    "expected_revision": 0,
                    "facts": {"links": [f"session:{n}"]},
                },
            }
            for n in range(30)
        ]
        for n, change in enumerate(bought):
            change["entries"][0] |= {"purchase_id": f"pi_{n}", "amount": 100}
        await commit(bought)
        ids = await grants_of(connection)
        ada = USERS[0]
        guard = {"user_id": ada}
        spends = [
            {
                "account": {**guard, "expected_revision": 10 + n},
                "entries": [caller._entry(ada, -1, "spend", draws=[{"grant": ids[ada][n % 10], "credits": 1}])],
                "request": {"key": f"k{n}", "user_id": ada, "content": {}, "answer": {}},
            }
            for n in range(100)
        ]
        await commit(spends)
        hold = {
            "id": str(uuid.UUID(int=9)),
            "user_id": ada,
            "credits": 5,
            "captured": 0,
            "status": "open",
            "idempotency_key": "h",
            "expires_at": "2100-01-01T00:00:00Z",
            "draws": [{"grant": ids[ada][0], "credits": 5}],
        }
        await commit([{"account": {**guard, "expected_revision": 110}, "holds": [hold]}])
        taken = caller._entry(ada, -3, "capture", draws=[{"grant": ids[ada][0], "credits": 3}])
        await commit([{"entries": [taken], "holds": [{**hold, "status": "captured", "captured": 3}]}])
        assert [] == await connection.fetch("select * from public.validate_credits_consistency()")
    finally:
        await connection.close()
