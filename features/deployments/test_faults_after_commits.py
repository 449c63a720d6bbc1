"""A ledger that fails between two steps of one request: after the first, no answer says that nothing was written."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from entrypoints.composition import stores, wiring
from entrypoints.http.app import create_app
from entrypoints.settings.reader import read_settings
from features.harness.deployment import GATEWAY_SECRET, PACK, WEBHOOK_SECRET, Deployment, bearer
from features.harness.service import OPERATOR_KEY
from features.real_parts import Supabase, running_supabase
from simulators.stripe.objects import Object
from simulators.stripe.signatures import sign_webhook

LOSE_A_PRIVILEGE_WITH_THE_NEXT_ENTRY = """
create function public.lose_a_privilege() returns trigger language plpgsql as $$
begin
    revoke execute on function public.account_read(uuid) from service_role;
    return null;
end
$$;
create trigger lose_a_privilege after insert on public.credit_transactions
    for each statement execute function public.lose_a_privilege();
"""
"""As a migration of the project's does that lands at the wrong moment: what was written stays, and nothing is read."""


@pytest.fixture
def project(database_url: str) -> Iterator[Supabase]:
    """A Supabase project of one test's own."""
    with running_supabase(database_url) as opened:
        yield opened


def settings_of(project: Supabase) -> dict[str, str]:
    return {
        "SUPABASE_URL": project.url,
        "SUPABASE_SERVICE_ROLE_KEY": project.service_key,
        "CREDENCE_WORKER": "false",
    }


@contextlib.asynccontextmanager
async def served(deployment: Deployment, project: Supabase) -> AsyncIterator[httpx.AsyncClient]:
    """What asks a process without a worker, over Supabase's API."""
    settings = read_settings({**deployment.environment, **settings_of(project)})
    storage = stores.Storage(postgres_url=None, redis_url=str(settings.redis_url))
    app = create_app(wiring.services(settings, storage), settings)
    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://it") as http:
        yield http


async def balances(owner: asyncpg.Connection) -> list[int]:
    return [
        row["balance"] for row in await owner.fetch("select credits_balance as balance from public.users order by 1")
    ]


def is_doubtful(answer: httpx.Response) -> None:
    """It is to be repeated, and promises nothing."""
    assert (503, "urn:credence:ledger-unavailable") == (answer.status_code, answer.json()["type"])
    assert "may have been made" in answer.json()["detail"]


async def test_a_return_page_that_added_credits_does_not_say_that_nothing_was_changed(
    deployment: Deployment, project: Supabase
) -> None:
    """What is read after the credits were added fails; asked again they are there, once."""
    owner = await asyncpg.connect(project.database_url)
    ada = str(await owner.fetchval("insert into auth.users default values returning id"))
    shown = {"x-user-id": ada, "x-gateway-secret": GATEWAY_SECRET}
    async with served(deployment, project) as http:
        opened = await http.post("/checkout/sessions", json={"plan": "starter"}, headers=shown)
        assert 201 == opened.status_code, opened.text
        event = deployment.stripe.pay(opened.json()["id"])
        await owner.execute(LOSE_A_PRIVILEGE_WITH_THE_NEXT_ENTRY)
        is_doubtful(await http.get(f"/checkout/sessions/{opened.json()['id']}", headers=shown))
        assert [PACK] == await balances(owner)
        await mend(owner)
        again = await http.get(f"/checkout/sessions/{opened.json()['id']}", headers=shown)
        assert 200 == (await delivered(http, json.dumps(event).encode())).status_code
    assert ("credited", PACK, PACK) == tuple(again.json()[name] for name in ("status", "credits", "balance"))
    assert [PACK] == await balances(owner)
    agrees(deployment, project)
    await owner.close()


async def test_a_retry_that_decided_one_event_does_not_say_that_nothing_was_changed(
    deployment: Deployment, project: Supabase
) -> None:
    """Of two parked sales the first is credited, and the ledger fails at the second."""
    owner = await asyncpg.connect(project.database_url)
    async with served(deployment, project) as http:
        for event in [await paid_by_nobody(deployment, http, owner) for _ in range(2)]:
            answer = await delivered(http, json.dumps(event).encode())
            assert (200, "parked") == (answer.status_code, answer.json()["status"])
            user_id = event["data"]["object"]["metadata"]["userId"]
            await owner.execute("insert into auth.users (id) values ($1::uuid)", user_id)
        await owner.execute(LOSE_A_PRIVILEGE_WITH_THE_NEXT_ENTRY)
        is_doubtful(await http.post("/ops/parked/retry", headers=bearer(OPERATOR_KEY)))
        assert [0, PACK] == await balances(owner)
        await mend(owner)
        again = await http.post("/ops/parked/retry", headers=bearer(OPERATOR_KEY))
    assert 200 == again.status_code
    assert [PACK, PACK] == await balances(owner)
    agrees(deployment, project)
    await owner.close()


async def mend(owner: asyncpg.Connection) -> None:
    await owner.execute("drop trigger lose_a_privilege on public.credit_transactions")
    await owner.execute("grant execute on function public.account_read(uuid) to service_role")


async def paid_by_nobody(deployment: Deployment, http: httpx.AsyncClient, owner: asyncpg.Connection) -> Object:
    """The event of a pack of a user who is not there any more when it comes."""
    user_id = str(await owner.fetchval("insert into auth.users default values returning id"))
    shown = {"x-user-id": user_id, "x-gateway-secret": GATEWAY_SECRET}
    opened = await http.post("/checkout/sessions", json={"plan": "starter"}, headers=shown)
    assert 201 == opened.status_code, opened.text
    await owner.execute("delete from auth.users where id = $1::uuid", user_id)
    return deployment.stripe.pay(opened.json()["id"])


async def delivered(http: httpx.AsyncClient, body: bytes) -> httpx.Response:
    """What is answered to an event, as Stripe delivers it."""
    headers = {"Stripe-Signature": sign_webhook(body, WEBHOOK_SECRET, int(time.time()))}
    return await http.post("/webhooks/stripe", content=body, headers=headers)


def agrees(deployment: Deployment, project: Supabase) -> None:
    """The ledger agrees with itself, with Redis and with what was paid at Stripe."""
    deployment.assert_checks_find_nothing(**settings_of(project))
