"""What a Redis that is shared, slow, demoted, full or a cluster's node does to a service: nothing to credits.

Each fault is made by a real Redis, or by a relay in front of it; the ledger is the embedded Postgres.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import attrs
import httpx
import pytest

from adapters.postgres.embedded import prepare
from features.harness.redis_relay import Relay, redis_relay
from features.harness.redis_servers import REDISES, NewRedis, cluster_of_two, command_of, until
from features.real_parts import database
from simulators.stack.postgrest import free_port
from simulators.stack.stack import SERVICE_KEY, WEBHOOK_SECRET, environment_of, serving, wait_until_ready
from simulators.stripe.objects import Object
from simulators.stripe.stand_in import StripeStandIn

GATEWAY_SECRET = "gateway-secret-of-the-faults"
PACK = 50
"""The credits of a pack of the plan `starter`."""


@attrs.frozen
class Deployment:
    """A service over a ledger, and what it acknowledged."""

    url: str
    http: httpx.Client
    stripe: StripeStandIn
    ledger: str
    environment: dict[str, str]
    log: Path
    acknowledged: dict[str, int] = attrs.field(factory=dict)
    """By how much each user's balance changed, by all that was answered 200."""

    def sign_up(self, user_id: str | None = None) -> str:
        user_id = signed_up(self.ledger, user_id)
        self.acknowledged[user_id] = 0
        return user_id

    def paid(self, user_id: str) -> Object:
        """The event of a pack that the user paid, which is not delivered yet."""
        headers = {"x-user-id": user_id, "x-gateway-secret": GATEWAY_SECRET, "Idempotency-Key": uuid.uuid4().hex}
        opened = httpx.post(f"{self.url}/checkout/sessions", json={"plan": "starter"}, headers=headers, timeout=60)
        assert 201 == opened.status_code, opened.text
        self.stripe.pay(opened.json()["id"])
        return next(one for one in reversed(self.stripe.events) if one["type"] == "checkout.session.completed")

    def deliver(self, event: Object) -> None:
        self.stripe.webhook_url = f"{self.url}/webhooks/stripe"
        (delivery,) = self.stripe.deliver(event)
        assert 200 == delivery.status

    def buy(self, user_id: str) -> None:
        self.deliver(self.paid(user_id))
        self.acknowledged[user_id] += PACK

    def spend(self, user_id: str, amount: int) -> None:
        answer = self.http.post(
            "/usage",
            json={"user_id": user_id, "credits": amount},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        assert 200 == answer.status_code, answer.text
        self.acknowledged[user_id] -= amount

    def quota(self, user_id: str) -> tuple[int, str]:
        """The balance, and who told it."""
        answer = self.http.get("/quota", params={"user_id": user_id})
        assert 200 == answer.status_code, answer.text
        return answer.json()["balance"], answer.json()["source"]

    def cache_is_used(self) -> tuple[str, str]:
        """What /readyz and the metric say of Redis."""
        ready = self.http.get("/readyz")
        assert 200 == ready.status_code
        lines = self.http.get("/metrics").text.splitlines()
        (metric,) = [line for line in lines if line.startswith("credence_cache_used")]
        return ready.json()["cache"], metric

    def said_of_redis(self) -> list[str]:
        """The log's lines about Redis."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["logger"] == "credence.cache"]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "entrypoints", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def diagnosis(self) -> dict[str, Any]:
        """What the doctor says of Redis."""
        found = json.loads(self.command("doctor", "--json").stdout)["diagnoses"]
        (redis,) = [one for one in found if one["subject"] == "Redis"]
        return {"verdict": redis["verdict"], "seen": redis["seen"]}

    def assert_all_agrees(self, *, checked: tuple[int, ...] = (0,)) -> None:
        """The ledger with itself, with Redis, with Stripe, and with what was acknowledged.

        `checked` is what `check` may exit with: 2 where the ledger is consistent and Redis is not compared.
        """
        until(lambda: self.command("check").returncode in checked, True)
        reconciled = self.command("reconcile", "--since", "3d", "--dry-run", "--json")
        assert (0, []) == (reconciled.returncode, json.loads(reconciled.stdout)["found"]), reconciled.stderr
        kept = rows(self.ledger, "select id::text as id, credits_balance from public.users")
        assert self.acknowledged == {row["id"]: row["credits_balance"] for row in kept}
        assert self.acknowledged == {user_id: self.quota(user_id)[0] for user_id in self.acknowledged}


def rows(url: str, query: str, *arguments: object) -> list[dict[str, Any]]:
    async def fetch() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def signed_up(ledger: str, user_id: str | None = None) -> str:
    user_id = user_id or str(uuid.uuid4())
    email = f"{user_id}@example.test"
    rows(ledger, "insert into auth.users (id, email) values ($1::uuid, $2) returning id", user_id, email)
    return user_id


Deploy = Callable[..., contextlib.AbstractContextManager[Deployment]]


@pytest.fixture
def deploy(new_server_folder: Callable[[], Path]) -> Deploy:
    """Runs a service over a ledger and a Redis, until the end of the block."""

    @contextlib.contextmanager
    def run(ledger: str, redis_url: str, stripe: StripeStandIn | None = None) -> Iterator[Deployment]:
        folder, port = new_server_folder(), free_port()
        url, log = f"http://127.0.0.1:{port}", folder / "service.log"
        with contextlib.ExitStack() as ends:
            used = stripe or ends.enter_context(
                StripeStandIn(webhook_url=f"{url}/webhooks/stripe", webhook_secret=WEBHOOK_SECRET, auto_deliver=False)
            )
            given = {"SUPABASE_DB_URL": ledger, "REDIS_URL": redis_url, "CREDENCE_GATEWAY_SECRET": GATEWAY_SECRET}
            environment = environment_of(folder, port=port, stripe_url=used.url, settings=given)
            ends.enter_context(serving(environment, log))
            wait_until_ready(url, log)
            headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
            http = ends.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60))
            yield Deployment(url, http, used, ledger, environment, log)

    return run


@pytest.fixture
def relay(new_redis: NewRedis) -> Iterator[Relay]:
    """A way to a Redis of this test alone, which can be held up."""
    with redis_relay(new_redis()) as opened:
        yield opened


def test_two_deployments_share_one_redis(
    deploy: Deploy, new_database: Callable[[], str], postgres_url: str, new_redis: NewRedis
) -> None:
    """An event that one of them has is no duplicate for the other, and neither tells the other's balances."""
    shared, name = new_redis(), f"another_{uuid.uuid4().hex}"
    rows(postgres_url, f"create database {name}")
    other = database(postgres_url, name)  # no copy of the first, which would have its identity
    asyncio.run(prepare(other))
    with deploy(new_database(), shared) as first, deploy(other, shared, first.stripe) as second:
        ada = first.sign_up()
        second.sign_up(ada)
        event = first.paid(ada)
        for one in (first, second):
            one.deliver(event)
            one.acknowledged[ada] = PACK
        first.spend(ada, 30)
        assert [PACK - 30, PACK] == [one.quota(ada)[0] for one in (first, second)]
        first.assert_all_agrees()
        second.assert_all_agrees()


def test_a_ledger_that_was_restored_credits_what_it_lost(
    deploy: Deploy, new_database: Callable[[], str], postgres_url: str, new_redis: NewRedis
) -> None:
    """Redis remembers an event and a spend of which the backup knows nothing: 200 comes from the ledger alone."""
    ledger, redis_url = new_database(), new_redis()
    ada = signed_up(ledger)
    name = f"backup_{uuid.uuid4().hex}"
    rows(postgres_url, f"create database {name} template {urlsplit(ledger).path[1:]}")
    with deploy(ledger, redis_url) as before:
        before.acknowledged[ada] = 0
        before.buy(ada)
        before.spend(ada, 30)
        event = next(one for one in reversed(before.stripe.events) if one["type"] == "checkout.session.completed")
        with deploy(database(postgres_url, name), redis_url, before.stripe) as restored:
            restored.deliver(event)
            restored.acknowledged[ada] = PACK
            assert [{"credits_balance": PACK}] == rows(restored.ledger, "select credits_balance from public.users")
            assert 1 == restored.command("check").returncode, "Redis still has the spend, and is ahead"
            assert 0 == restored.command("sync", "--all").returncode
            assert [] == command_of(redis_url, "KEYS", "*:processed:*"), "stale marks are dropped"
            restored.assert_all_agrees()


def make_replica(url: str, primary: str) -> None:
    command_of(url, "REPLICAOF", *primary.removeprefix("redis://").removesuffix("/0").split(":"))


@pytest.mark.parametrize("redis_kind", REDISES)
def test_a_redis_that_was_demoted_tells_no_old_balance(
    deploy: Deploy, new_database: Callable[[], str], new_redis: NewRedis
) -> None:
    """The ledger answers, operators see why, and once the Redis is a primary again it has the new balances."""
    redis_url, primary = new_redis(), new_redis()
    with deploy(new_database(), redis_url) as service:
        ada, bob = service.sign_up(), service.sign_up()
        for one in (ada, bob):
            service.buy(one)
        assert (PACK, "cache") == service.quota(ada)
        make_replica(redis_url, primary)
        service.spend(ada, 30)
        service.buy(bob)
        assert [(PACK - 30, "ledger"), (2 * PACK, "ledger")] == [service.quota(one) for one in (ada, bob)]
        assert ("unavailable", "credence_cache_used 0.0") == service.cache_is_used()
        assert ["Redis is not used"] == [line.partition(";")[0] for line in service.said_of_redis()]
        diagnosis = service.diagnosis()
        assert "bad" == diagnosis["verdict"]
        assert "read-only replica" in diagnosis["seen"]

        command_of(redis_url, "REPLICAOF", "NO", "ONE")
        until(service.cache_is_used, ("ok", "credence_cache_used 1.0"))
        assert [True, False] == ["read-only replica" in line for line in service.said_of_redis()]
        until(lambda: service.quota(ada), (PACK - 30, "cache"))
        service.assert_all_agrees()


def test_a_full_redis_takes_no_more_lines(deploy: Deploy, new_database: Callable[[], str], new_redis: NewRedis) -> None:
    """They are refused like all else; the service goes on, and so does Redis once it has room."""
    redis_url = new_redis()
    with deploy(new_database(), redis_url) as service:
        ada = service.sign_up()
        service.buy(ada)
        assert (PACK, "cache") == service.quota(ada)
        command_of(redis_url, "CONFIG", "SET", "maxmemory", 1)
        others = [service.sign_up() for _ in range(5)]
        for one in (ada, *others):
            service.buy(one)
        assert [(2 * PACK, "ledger"), *[(PACK, "ledger")] * 5] == [service.quota(one) for one in (ada, *others)]
        assert 1 == len(command_of(redis_url, "KEYS", "????????:????????-*")), "lines did not go on growing"  # type: ignore[arg-type]
        assert "full" in service.diagnosis()["seen"]
        command_of(redis_url, "CONFIG", "SET", "maxmemory", 0)
        until(service.cache_is_used, ("ok", "credence_cache_used 1.0"))
        assert [True, False] == ["full" in line for line in service.said_of_redis()]
        service.assert_all_agrees()


def test_a_node_of_a_cluster_is_named_at_the_start(
    deploy: Deploy, new_database: Callable[[], str], new_redis: NewRedis
) -> None:
    """It is not called reachable, and nothing of what is sold and spent depends on which keys it has."""
    node, _ = cluster_of_two(new_redis)
    with deploy(new_database(), node) as service:
        until(lambda: ["node of a Redis cluster" in line for line in service.said_of_redis()], [True])
        assert ("unavailable", "credence_cache_used 0.0") == service.cache_is_used()
        diagnosis = service.diagnosis()
        assert "bad" == diagnosis["verdict"]
        assert "node of a Redis cluster" in diagnosis["seen"]
        ada = service.sign_up()
        service.buy(ada)
        service.spend(ada, 30)
        assert (PACK - 30, "ledger") == service.quota(ada)
        service.assert_all_agrees(checked=(2,))


def test_replies_that_are_late_hold_no_answer_up(deploy: Deploy, new_database: Callable[[], str], relay: Relay) -> None:
    """A quota, a spend and a webhook are answered while the relay still keeps every reply back."""
    with deploy(new_database(), relay.url) as service:
        ada = service.sign_up()
        service.buy(ada)
        assert (PACK, "cache") == service.quota(ada)
        relay.delay = 0.9  # within what was waited for once
        released = relay.released
        answered = service.quota(ada)
        assert (released, (PACK, "ledger")) == (relay.released, answered)
        service.spend(ada, 30)
        service.buy(ada)
        assert (2 * PACK - 30, "ledger") == service.quota(ada)
        relay.delay = 0
        until(service.cache_is_used, ("ok", "credence_cache_used 1.0"))
        service.assert_all_agrees()


def test_lost_replies_cost_a_pause_and_not_the_throughput(
    deploy: Deploy, new_database: Callable[[], str], relay: Relay
) -> None:
    """Of many reads few touch a Redis of which one reply in ten is lost, and all are answered rightly."""
    with deploy(new_database(), relay.url) as service:
        ada = service.sign_up()
        service.buy(ada)
        relay.loses_one_in = 10
        asked = relay.asked
        assert {PACK} == {service.quota(ada)[0] for _ in range(400)}
        service.spend(ada, 30)
        assert relay.asked - asked < 200
        relay.loses_one_in = 0
        until(service.cache_is_used, ("ok", "credence_cache_used 1.0"))
        service.assert_all_agrees()
