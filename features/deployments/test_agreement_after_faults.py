"""After a fault all agrees: the ledger with itself, with Redis, with Stripe, and with what was acknowledged."""

import asyncio
import json
import socket
import time

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from features.deployments.test_many_parked import MANY, OLD
from features.harness.deployment import PACK, WEBHOOK_SECRET, Deployment, give, spend
from features.harness.service import eventually
from features.real_parts import execute, fetched, running_supabase, sign_up
from simulators.http.server import HttpServer, Response
from simulators.stripe.objects import Object
from simulators.stripe.signatures import sign_webhook

PAGE = Response(headers={"Content-Type": "text/html"}, body=b"<html><body>We will be back</body></html>")


def test_a_page_in_the_ledger_s_place(deployment: Deployment, database_url: str) -> None:
    """A sale and a spend are refused while it is there; afterwards each is done once."""
    user = asyncio.run(sign_up(database_url))
    with running_supabase(database_url) as project:
        settings = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.service_key}
        with deployment.serve(**settings) as http:
            deployment.buy(http, user)
            missed = deployment.paid(http, user)
            project.gateway.show(PAGE)
            assert [503, 503, 503] == [
                deployment.deliver(http, missed),
                spend(http, user, 5).status_code,
                give(http, user, 5).status_code,
            ]
            project.gateway.up()
            assert 200 == eventually(lambda: http.get("/readyz").status_code, 200)
            assert [200, 200] == [spend(http, user, 7).status_code, deployment.deliver(http, missed)]
            deployment.assert_all_agrees(http, {user: 2 * PACK - 7}, **settings)


def half_sent(http: httpx.Client, event: Object) -> socket.socket:
    """A connection over which half of a webhook came."""
    body = json.dumps(event).encode()
    head = (
        f"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
        f"Stripe-Signature: {sign_webhook(body, WEBHOOK_SECRET, int(time.time()))}\r\n\r\n"
    )
    client = socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=60)
    client.sendall(head.encode())
    assert client.recv(65536).startswith(b"HTTP/1.1 100")
    client.sendall(body[: len(body) // 2])
    return client


def test_a_process_that_is_ended_within_a_webhook(deployment: Deployment, database_url: str) -> None:
    """What came half is not acknowledged; the next process gets it whole, and has all that was acknowledged."""
    user, settings = asyncio.run(sign_up(database_url)), {"SUPABASE_DB_URL": database_url}
    with deployment.serve(CREDENCE_STOP_SECONDS="1", CREDENCE_REQUEST_SECONDS="3600", **settings) as http:
        deployment.buy(http, user)
        assert 200 == spend(http, user, 20).status_code
        event = deployment.paid(http, user)
        client = half_sent(http, event)
    with client:
        assert client.recv(65536).startswith(b"HTTP/1.1 503"), "SIGTERM has ended the process"
    with deployment.serve(**settings) as http:
        assert [200, 200] == [deployment.deliver(http, event) for _ in range(2)]
        deployment.assert_all_agrees(http, {user: 2 * PACK - 20}, **settings)


def test_a_great_many_parked_events(deployment: Deployment, database_url: str) -> None:
    """What is sold and spent while they are retried is on the accounts, once."""
    ada, bob = [asyncio.run(sign_up(database_url)) for _ in range(2)]
    settings = {"SUPABASE_DB_URL": database_url}
    waiting = "select count(*) from public.webhook_events where status = 'parked'"
    with deployment.serve(**settings) as http:
        deployment.buy(http, ada)
        asyncio.run(execute(database_url, OLD.replace("$1::integer", str(MANY))))
        deployment.buy(http, bob)
        assert 200 == spend(http, ada, 20).status_code
        assert 0 == eventually(lambda: asyncio.run(fetched(database_url, waiting)), 0)
        deployment.assert_all_agrees(http, {ada: PACK - 20, bob: PACK}, **settings)


def test_access_token_keys_that_cannot_be_fetched(deployment: Deployment, database_url: str) -> None:
    """Users are refused; what Stripe and backends do meanwhile is done once."""
    user, key = asyncio.run(sign_up(database_url)), ec.generate_private_key(ec.SECP256R1())
    claims = {"sub": user, "aud": "authenticated", "role": "authenticated", "exp": 4_102_444_800}
    token = {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='ES256', headers={'kid': 'one'})}"}
    with HttpServer(lambda _: Response(status=500)) as broken:
        settings = {"SUPABASE_DB_URL": database_url, "SUPABASE_JWKS_URL": f"{broken.url}/jwks.json"}
        with deployment.serve(**settings) as http:
            deployment.buy(http, user)
            assert 503 == http.get("/quota", headers=token).status_code
            assert 200 == spend(http, user, 20).status_code
            deployment.buy(http, user)
            deployment.assert_all_agrees(http, {user: 2 * PACK - 20}, **settings)
