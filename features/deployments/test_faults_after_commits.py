"""A ledger that fails between two steps of one request: after the first, no answer says that nothing was written."""

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from entrypoints.composition import stores, wiring
from entrypoints.http.app import create_app
from entrypoints.settings.reader import read_settings
from features.harness.deployment import Deployment, bearer
from features.harness.service import OPERATOR_KEY
from features.http.signed_events import paid_session
from features.real_parts import Supabase, running_supabase
from simulators.stripe.signatures import sign_webhook
from simulators.stripe.stand_in import StripeStandIn

GATEWAY_SECRET = "gateway-secret-of-the-faults"
WEBHOOK_SECRET = "whsec_of_the_faults"
PACK = 50

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


@contextlib.asynccontextmanager
async def served(deployment: Deployment, project: Supabase, stripe_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """What asks a process without a worker, over Supabase's API."""
    settings = read_settings(
        {
            **deployment.environment,
            "STRIPE_API_BASE": stripe_url,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SUPABASE_URL": project.url,
            "SUPABASE_SERVICE_ROLE_KEY": project.service_key,
            "CREDENCE_GATEWAY_SECRET": GATEWAY_SECRET,
            "CREDENCE_WORKER": "false",
        }
    )
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
    with StripeStandIn() as stripe:
        async with served(deployment, project, stripe.url) as http:
            opened = await http.post("/checkout/sessions", json={"plan": "starter"}, headers=shown)
            assert 201 == opened.status_code, opened.text
            stripe.pay(opened.json()["id"])
            await owner.execute(LOSE_A_PRIVILEGE_WITH_THE_NEXT_ENTRY)
            is_doubtful(await http.get(f"/checkout/sessions/{opened.json()['id']}", headers=shown))
            assert [PACK] == await balances(owner)
            await owner.execute("grant execute on function public.account_read(uuid) to service_role")
            again = await http.get(f"/checkout/sessions/{opened.json()['id']}", headers=shown)
    assert ("credited", PACK, PACK) == tuple(again.json()[name] for name in ("status", "credits", "balance"))
    await owner.close()


async def test_a_retry_that_decided_one_event_does_not_say_that_nothing_was_changed(
    deployment: Deployment, project: Supabase
) -> None:
    """Of two parked sales the first is credited, and the ledger fails at the second."""
    owner = await asyncpg.connect(project.database_url)
    users = [str(uuid.uuid4()) for _ in range(2)]
    with StripeStandIn() as stripe:
        async with served(deployment, project, stripe.url) as http:
            for user_id in users:
                body = delivered_sale(user_id)
                headers = {"Stripe-Signature": sign_webhook(body, WEBHOOK_SECRET, int(time.time()))}
                delivered = await http.post("/webhooks/stripe", content=body, headers=headers)
                assert (200, "parked") == (delivered.status_code, delivered.json()["status"])
                await owner.execute("insert into auth.users (id) values ($1::uuid)", user_id)
            await owner.execute(LOSE_A_PRIVILEGE_WITH_THE_NEXT_ENTRY)
            is_doubtful(await http.post("/ops/parked/retry", headers=bearer(OPERATOR_KEY)))
            assert [0, PACK] == await balances(owner)
            await owner.execute("drop trigger lose_a_privilege on public.credit_transactions")
            await owner.execute("grant execute on function public.account_read(uuid) to service_role")
            again = await http.post("/ops/parked/retry", headers=bearer(OPERATOR_KEY))
    assert 200 == again.status_code
    assert [PACK, PACK] == await balances(owner)
    await owner.close()


def delivered_sale(user_id: str) -> bytes:
    """The event of a session that a user paid, as Stripe delivers it."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": paid_session(metadata={"userId": user_id, "plan": "starter"})},
    }
    return json.dumps(event).encode()
