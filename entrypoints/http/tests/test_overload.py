"""More webhooks than the ledger keeps up with: 503 with `Retry-After` for what is too much, and nothing lost."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import attrs
import httpx
import pytest

from adapters.batching.group_commit import GroupCommit
from adapters.batching.limits import Limits
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from entrypoints.composition import stores, wiring
from entrypoints.http.app import create_app
from entrypoints.services import Services
from entrypoints.settings.reader import read_settings
from entrypoints.settings.settings import Settings
from features.http.signed_events import paid_session
from simulators.stripe.signatures import sign_webhook

SECRET = "whsec_of_the_overload"
ENVIRONMENT = {
    "STRIPE_SECRET_KEY": "sk_test_of_the_overload",
    "STRIPE_WEBHOOK_SECRET": SECRET,
    "CREDENCE_WORKER": "false",
}


both_ways = pytest.mark.parametrize("query", ["", "?&"], ids=["the short way", "Litestar's way"])


@contextlib.asynccontextmanager
async def few_may_wait(settings: Settings, database_url: str, redis_url: str) -> AsyncIterator[Services]:
    """The services, but for a group commit that has one call in flight of one change, and lets two wait."""
    storage = stores.Storage(postgres_url=database_url, redis_url=redis_url)
    async with (
        wiring.services(settings, storage) as services,
        contextlib.aclosing(PostgresRpc(database_url)) as rpc,
        contextlib.aclosing(GroupCommit(SqlLedger(rpc), commits=Limits(calls=1, requests=1, waiting=2))) as group,
    ):
        recorder = attrs.evolve(services.webhooks.recorder, ledger=group)
        yield attrs.evolve(services, webhooks=attrs.evolve(services.webhooks, recorder=recorder))


def delivery(event_id: str) -> tuple[bytes, dict[str, str]]:
    """An event of no concern to us, which is kept all the same, as Stripe delivers it."""
    return signed(event_id, "customer.created", {"id": "cus_1", "object": "customer"})


def signed(event_id: str, event_type: str, about: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """An event of that type about an object, signed now."""
    created = int(datetime.now(UTC).timestamp())
    event = {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "api_version": "2026-10-28.dahlia",
        "livemode": False,
        "created": created,
        "data": {"object": about},
    }
    body = json.dumps(event).encode()
    return body, {"Stripe-Signature": sign_webhook(body, SECRET, created), "Content-Type": "application/json"}


async def until_a_call_waits(owner: Any) -> None:
    """Until the ledger's own write waits for the lock."""
    query = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database() and query like '%ledger_commit%')"
    )
    for _ in range(5_000):
        await owner.execute("select pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
        if await owner.fetchval(query):
            return
    raise AssertionError("no call waits")


@both_ways
async def test_what_is_too_much_is_reported_to_come_back(database_url: str, redis_url: str, query: str) -> None:
    """While the ledger stalls, what finds no place in the queue is answered 503 at once; sent again, it is kept."""
    settings = read_settings(ENVIRONMENT)
    app = create_app(few_may_wait(settings, database_url, redis_url), settings)
    owner = await asyncpg.connect(database_url)
    events = [f"evt_{uuid.uuid4().hex}" for _ in range(8)]
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as http,
    ):

        async def deliver(event_id: str) -> httpx.Response:
            body, headers = delivery(event_id)
            return await http.post(f"/webhooks/stripe{query}", content=body, headers=headers)

        async with owner.transaction():
            await owner.execute("lock table public.webhook_events in exclusive mode")  # may be read, not written
            found = [asyncio.ensure_future(deliver(events[0]))]
            await until_a_call_waits(owner)
            found += [asyncio.ensure_future(deliver(event_id)) for event_id in events[1:]]
            refused = []
            for answered in asyncio.as_completed(found):
                refused.append(await answered)
                if len(refused) == 5:
                    break
            assert 5 == sum(answer.done() for answer in found)
        answers = await asyncio.gather(*found)
        assert [200] * 3 + [503] * 5 == sorted(answer.status_code for answer in answers)
        for answer in refused:
            assert "2" == answer.headers["Retry-After"]
            assert "application/problem+json" == answer.headers["Content-Type"]
            assert "urn:credence:ledger-busy" == answer.json()["type"]
        again = [await deliver(event_id) for event_id in events]
        assert {200} == {answer.status_code for answer in again}
    kept = await owner.fetch("select id from public.webhook_events")
    assert sorted(events) == sorted(row["id"] for row in kept)
    await owner.close()


def delivered_sale(user_id: str) -> tuple[bytes, dict[str, str]]:
    """The event of a session that a user paid, as Stripe delivers it."""
    session = paid_session(metadata={"userId": user_id, "plan": "starter"})
    return signed(f"evt_{uuid.uuid4().hex}", "checkout.session.completed", session)


@both_ways
async def test_what_another_transaction_holds_is_left_for_later(database_url: str, redis_url: str, query: str) -> None:
    """Somebody keeps an account's row locked: a sale is kept for later, a spend is answered 503; each is done once."""
    settings = read_settings({**ENVIRONMENT, "CREDENCE_SERVICE_KEY": "a-service-key-of-the-overload"})
    storage = stores.Storage(postgres_url=database_url, redis_url=redis_url)
    app = create_app(wiring.services(settings, storage), settings)
    owner = await asyncpg.connect(database_url)
    user_id = str(await owner.fetchval("insert into auth.users default values returning id"))
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as http,
    ):
        headers = {"Authorization": "Bearer a-service-key-of-the-overload"}

        async def spend(key: str) -> httpx.Response:
            asked = {"user_id": user_id, "credits": 1}
            return await http.post(f"/usage{query}", json=asked, headers={**headers, "Idempotency-Key": key})

        async def deliver(sale: tuple[bytes, dict[str, str]]) -> httpx.Response:
            return await http.post(f"/webhooks/stripe{query}", content=sale[0], headers=sale[1])

        assert 200 == (await deliver(delivered_sale(user_id))).status_code
        sale = delivered_sale(user_id)
        async with owner.transaction():
            await owner.execute("select from public.users where id = $1 for update", uuid.UUID(user_id))
            kept, refused = await asyncio.gather(deliver(sale), spend("a"))
        assert (200, "received") == (kept.status_code, kept.json()["status"])
        assert (503, "urn:credence:account-busy") == (refused.status_code, refused.json()["type"])
        assert refused.headers["Retry-After"]
        again = await asyncio.gather(deliver(sale), deliver(sale), spend("a"), spend("a"))
        assert {200, 201} >= {answer.status_code for answer in again}
        assert again[2].content == again[3].content
        quota = await http.get("/quota", params={"user_id": user_id}, headers=headers)
        assert 99 == quota.json()["available"]
    await owner.close()
