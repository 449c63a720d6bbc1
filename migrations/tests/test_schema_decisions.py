"""What the schema decides for later: identity, unit, whose an account is, and that a person can be forgotten."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

ENTRIES = "public.credit_transactions"
OWN = "public.credence_own_metadata(t)"
FORGET = (
    f"update {ENTRIES} t set details_digest = coalesce(details_digest, public.credence_details_digest(t)),"
    f" details_salt = null, description = null, metadata = {OWN}"
    " where user_id = $1::text::uuid",
    "update public.credit_requests set content = '{}', answer = '{}' where user_id = $1::text::uuid",
)


@contextlib.asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Any]:
    """Open a connection of the owner's."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def commit(connection: Any, **change: Any) -> str:
    (answer,) = json.loads(await connection.fetchval("select public.ledger_commit($1)", json.dumps([change])))
    return str(answer.get("reason", answer["status"]))


async def problems(connection: Any) -> list[str]:
    return [row["problem"] for row in await connection.fetch("select * from public.validate_credits_consistency()")]


def entry(user: str, amount: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "amount": amount, "kind": kind, "idempotency_key": uuid.uuid4().hex, **more}


async def somebody(connection: Any) -> str:
    """Make a user with an invoice's credits, a spend that tells much of them, and a captured hold."""
    user = str(await connection.fetchval("insert into auth.users (email) values ('ada@example.com') returning id"))
    for month in ("06", "07"):
        bought = entry(user, 50, "purchase", purchase_id="in_1", description="Ada's plan")
        bought["metadata"] = {"period_ends_at": f"2100-{month}-01T00:00:00+00:00", "note": "Ada Lovelace"}
        assert "committed" == await commit(connection, entries=[bought])
    spend = entry(user, -5, "spend", description="Letter to Charles", metadata={"to": "charles@example.com"})
    request = {"key": spend["idempotency_key"], "user_id": user, "content": {"to": "Charles"}, "answer": {"n": 5}}
    assert "committed" == await commit(connection, entries=[spend], request=request)
    grant = await connection.fetchval("select min(id) from public.credit_grants")
    hold = {
        "id": str(uuid.uuid4()),
        "user_id": user,
        "credits": 7,
        "status": "open",
        "idempotency_key": "hold",
        "expires_at": "2100-01-01T00:00:00Z",
        "draws": [{"grant": grant, "credits": 7}],
    }
    assert "committed" == await commit(connection, holds=[hold])
    captured = entry(user, -7, "capture", draws=hold["draws"], metadata={"hold_id": hold["id"], "for": "Ada"})
    settled = {**hold, "status": "captured", "captured": 7}
    assert "committed" == await commit(connection, entries=[captured], holds=[settled])
    return user


async def test_a_person_is_forgotten_and_the_chain_stays_valid(database_url: str) -> None:
    """Descriptions, metadata and salts go; what the ledger itself reads stays, and all of it is verified still."""
    async with in_database(database_url) as connection:
        user = await somebody(connection)
        digests = f"select hash, coalesce(details_digest, public.credence_details_digest(t)) from {ENTRIES} t"
        before = await connection.fetch(f"{digests} order by version")
        for statement in FORGET:
            await connection.execute(statement, user)
        text = "".join(
            [str(row) for row in await connection.fetch(f"select * from {ENTRIES}")]
            + [str(row) for row in await connection.fetch("select * from public.credit_requests")]
        )
        for name in ("Ada", "Charles", "charles", "Lovelace"):
            assert name not in text
        own = await connection.fetch(f"select metadata::text from {ENTRIES} where metadata <> '{{}}' order by version")
        assert ["period_ends_at", "period_ends_at", "hold_id"] == [next(iter(json.loads(row[0]))) for row in own]
        assert before == await connection.fetch(f"{digests} order by version")
        for statement in FORGET:
            await connection.execute(statement, user)
        assert before == await connection.fetch(f"{digests} order by version"), "forgotten twice"
        assert [] == await problems(connection)
        # The account goes on after it.
        assert "committed" == await commit(connection, entries=[entry(user, -1, "spend")])
        assert [] == await problems(connection)


@pytest.mark.parametrize(
    "change",
    [
        "description = 'other'",
        "metadata = jsonb_build_object('to', 'me')",
        "details_salt = null",
        "description = null, details_salt = null",
        "description = null, details_salt = null, metadata = jsonb_build_object('hold_id', 'other')",
        "description = null, details_salt = null, metadata = '{}', amount = 1",
        "details_digest = null",
        f"description = null, details_salt = null, metadata = {OWN}",
        f"description = null, details_salt = null, metadata = {OWN}, details_digest = sha256('')",
    ],
)
async def test_details_are_taken_away_whole_or_not_at_all(database_url: str, change: str) -> None:
    """Nobody writes others, nor changes anything else by the way."""
    async with in_database(database_url) as connection:
        await somebody(connection)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
            await connection.execute(f"update {ENTRIES} t set {change} where kind = 'capture'")


@pytest.mark.parametrize(
    "tampering",
    [
        "description = 'other' where version = 1",
        "metadata = metadata || jsonb_build_object('period_ends_at', '2100-08-01T00:00:00Z') where version = 1",
        "metadata = metadata || jsonb_build_object('note', 'Bob') where version = 1",
        "actor_id = gen_random_uuid() where version = 3",
        "details_salt = null where version = 1",
        "details_digest = null, details_salt = null, description = null, metadata = '{}' where version = 1",
        "details_digest = sha256(''), details_salt = '' where version = 4",
    ],
)
async def test_tampering_with_details_shows(database_url: str, tampering: str) -> None:
    """Whatever of them is changed behind the guards' back, the check names it."""
    async with in_database(database_url) as connection:
        await somebody(connection)
        assert [] == await problems(connection)
        await connection.execute("set session_replication_role = replica")
        await connection.execute(f"update {ENTRIES} set {tampering}")
        assert ["entry_tampered"] == await problems(connection)


async def test_equal_details_have_different_digests(database_url: str) -> None:
    """Each entry has a salt of its own: who knows one text can't find it in another entry."""
    async with in_database(database_url) as connection:
        user = await somebody(connection)
        entries = [entry(user, 1, "goodwill", description="Sorry, Ada") for _ in range(2)]
        assert "committed" == await commit(connection, entries=entries)
        found = await connection.fetch(
            f"select distinct public.credence_details_digest(t) from {ENTRIES} t where kind = 'goodwill'"
        )
        assert 2 == len(found)


async def test_a_ledger_has_one_identity(database_url: str) -> None:
    """The service reads it; nobody changes it, takes it away, or adds another."""
    async with in_database(database_url) as connection:
        await connection.execute("set role service_role")
        known = json.loads(await connection.fetchval("select public.ledger_identity()"))
        assert (0, 4) == (known["scale"], uuid.UUID(known["id"]).version)
        await connection.execute("reset role")
        for statement in (
            "update public.credit_ledgers set id = gen_random_uuid()",
            "update public.credit_ledgers set id = id",
            "delete from public.credit_ledgers",
            "truncate public.credit_ledgers",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                await connection.execute(statement)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into public.credit_ledgers default values")
        assert known == json.loads(await connection.fetchval("select public.ledger_identity()"))


async def test_the_scale_is_chosen_before_the_first_entry(database_url: str) -> None:
    """Afterwards every amount would be another one."""
    async with in_database(database_url) as connection:
        await connection.execute("update public.credit_ledgers set scale = 2")
        assert 2 == json.loads(await connection.fetchval("select public.ledger_identity()"))["scale"]
        await somebody(connection)
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="there are entries"):
            await connection.execute("update public.credit_ledgers set scale = 3")
        assert 2 == json.loads(await connection.fetchval("select public.ledger_identity()"))["scale"]


async def test_whoever_reads_a_balance_reads_its_scale(database_url: str) -> None:
    """A signed-in user sees both, and writes neither."""
    async with in_database(database_url) as connection:
        user = await somebody(connection)
        await connection.execute("select set_config('request.jwt.claims', $1, false)", json.dumps({"sub": user}))
        await connection.execute("set role authenticated")
        query = "select u.credits_balance, l.scale from public.users u, public.credit_ledgers l"
        assert [(88, 0)] == [tuple(row) for row in await connection.fetch(query)]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update public.credit_ledgers set scale = 2")


async def test_an_entry_reports_which_member_acted(database_url: str) -> None:
    """The account's id and the member's are two: both are in the entry, and in its hash."""
    async with in_database(database_url) as connection:
        user, member = await somebody(connection), str(uuid.uuid4())
        assert "committed" == await commit(connection, entries=[entry(user, -1, "spend", actor_id=member)])
        found = await connection.fetch(f"select user_id, actor_id from {ENTRIES} where actor_id is not null")
        assert [(user, member)] == [(str(row["user_id"]), str(row["actor_id"])) for row in found]
        assert [] == await problems(connection)


async def test_the_body_of_a_final_event_may_go(database_url: str) -> None:
    """The event itself stays known; one that waits keeps what it is decided by."""
    async with in_database(database_url) as connection:
        event = {"id": "evt_1", "type": "t", "livemode": False, "status": "applied", "body": "{}"}
        waiting = {**event, "id": "evt_2", "status": "parked"}
        for one in (event, waiting):
            assert "committed" == await commit(connection, event=one)
        await connection.execute("update public.webhook_events set body = null where id = 'evt_1'")
        assert "duplicate" == await commit(connection, event=event)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("update public.webhook_events set body = null where id = 'evt_2'")
