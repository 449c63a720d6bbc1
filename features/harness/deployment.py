"""A deployment over a database of one's own: `credence serve` and commands beside it, and whether all agrees after."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from adapters.redis.embedded import EmbeddedRedis
from features.harness.service import OPERATOR_KEY, SERVICE_KEY
from features.real_parts import execute
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready
from simulators.stripe.objects import Object
from simulators.stripe.signatures import sign_webhook
from simulators.stripe.stand_in import StripeStandIn

WEBHOOK_SECRET = "whsec_of_the_deployment"
GATEWAY_SECRET = "gateway-secret-of-the-deployment"
PACK = 50
"""The credits of a pack of the plan `starter`."""


@attrs.frozen(kw_only=True)
class Deployment:
    """The settings that all its processes share; but for the ledger, whose place each is given."""

    environment: dict[str, str]
    folder: Path
    stripe: StripeStandIn

    @contextlib.contextmanager
    def serve(self, **settings: str) -> Iterator[httpx.Client]:
        """Run one process until the end of the block; gives what asks it."""
        port = free_port()
        url, log = f"http://127.0.0.1:{port}", self.folder / f"{port}.log"
        environment = {**self.environment, "CREDENCE_PORT": str(port), **settings}
        with serving(environment, log), httpx.Client(base_url=url, timeout=60) as http:
            wait_until_ready(url, log)
            yield http

    def command(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """The exit code of `credence ...`, and what it says, with its blanks as one each."""
        done = subprocess.run(
            [sys.executable, "-m", "entrypoints", *arguments],
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def paid(self, http: httpx.Client, user: str, plan: str = "starter") -> Object:
        """The event of a checkout that a user paid at Stripe, which is not delivered yet."""
        headers = {"x-user-id": user, "x-gateway-secret": GATEWAY_SECRET, "Idempotency-Key": uuid.uuid4().hex}
        opened = http.post("/checkout/sessions", json={"plan": plan}, headers=headers)
        assert 201 == opened.status_code, opened.text
        return self.stripe.pay(opened.json()["id"])

    def deliver(self, http: httpx.Client, event: Object) -> int:
        """Deliver an event to one process as Stripe does; the status that it answers."""
        body = json.dumps(event).encode()
        signed = {"Stripe-Signature": sign_webhook(body, WEBHOOK_SECRET, int(time.time()))}
        return http.post("/webhooks/stripe", content=body, headers=signed).status_code

    def buy(self, http: httpx.Client, user: str) -> None:
        """Sell a user a pack, which is on the account then."""
        assert 200 == self.deliver(http, self.paid(http, user))

    def assert_all_agrees(self, http: httpx.Client, credits_: dict[str, int], **settings: str) -> None:
        """Assert that each account has what its answers sum up to, and that neither check finds anything."""
        for user, expected in credits_.items():
            assert expected == http.get(f"/quota?user_id={user}", headers=bearer(SERVICE_KEY)).json()["balance"]
        self.assert_checks_find_nothing(**settings)

    def assert_checks_find_nothing(self, **settings: str) -> None:
        """Assert that the ledger agrees with itself, with Redis and with Stripe, where something was sold."""
        code, said = self.command("check", **settings)
        assert (0, True) == (code, said.startswith("The ledger is consistent. Redis matches it.")), said
        code, compared = self.command("reconcile", "--since", "1d", "--dry-run", **settings)
        assert (0, True) == (code, "Nothing is missing." in compared), compared
        assert " 0 objects" not in compared, "else there was nothing to compare"


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def give(http: httpx.Client, user: str, credits_: int) -> httpx.Response:
    """Grant credits as an operator."""
    body = {"kind": "goodwill", "credits": credits_, "reason": "a test", "operator": "Grace"}
    headers = {**bearer(OPERATOR_KEY), "Idempotency-Key": uuid.uuid4().hex}
    return http.post(f"/ops/accounts/{user}/grants", json=body, headers=headers)


def spend(http: httpx.Client, user: str, credits_: int) -> httpx.Response:
    """Take credits as a service."""
    headers = {**bearer(SERVICE_KEY), "Idempotency-Key": uuid.uuid4().hex}
    return http.post("/usage", json={"user_id": user, "credits": credits_}, headers=headers)


def set_read_only(url: str, is_so: bool) -> None:
    """As a provider does where a disk is full: for every session from now on."""
    name = url.partition("?")[0].rpartition("/")[2]
    others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    asyncio.run(
        execute(
            url,
            "set default_transaction_read_only = off",
            f"alter database {name} set default_transaction_read_only = {is_so}",
            f"select pg_terminate_backend(pid) {others}",
        )
    )


@pytest.fixture
def deployment(new_server_folder: Callable[[], Path]) -> Iterator[Deployment]:
    """A Stripe and a Redis of its own, for one test."""
    folder = new_server_folder()
    redis = EmbeddedRedis(folder / "redis")
    with StripeStandIn(webhook_secret=WEBHOOK_SECRET) as stripe:
        yield Deployment(
            folder=folder,
            environment={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "STRIPE_SECRET_KEY": "sk_test_of_the_deployment",
                "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "STRIPE_API_BASE": stripe.url,
                "REDIS_URL": redis.start(),
                "CREDENCE_SERVICE_KEY": SERVICE_KEY,
                "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
                "CREDENCE_GATEWAY_SECRET": GATEWAY_SECRET,
            },
            stripe=stripe,
        )
    redis.stop()
