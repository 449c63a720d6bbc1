"""The real stack that the features run on: the service in a process of its own, over Supabase, Redis and Stripe."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import httpx
import pytest
import redis

from adapters.redis.embedded import EmbeddedRedis
from entrypoints.catalogue import PACKAGED
from features.harness.product import NOTIFY_SECRET, Product
from features.real_parts import JWT_SECRET, Supabase, running_supabase
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready
from simulators.stripe.stand_in import StripeStandIn

WEBHOOK_SECRET = "whsec_of_the_features"
SERVICE_KEY = "service-key-of-the-features"
OPERATOR_KEY = "operator-key-of-the-features"
PLANS = (PACKAGED, Path(__file__).parent / "plans_to_choose_from.toml")

SEVERAL_PLANS = """
[plans.starter]
name = "50 credits"
credits = 50
price = 500
currency = "usd"

[plans.monthly]
name = "100 credits a month"
credits = 100
price = 900
currency = "usd"
mode = "subscription"
interval = "month"

[plans.team]
name = "300 credits a month"
credits = 300
price = 2000
currency = "usd"
mode = "subscription"
interval = "month"

[plans.light]
name = "40 credits a month"
credits = 40
price = 400
currency = "usd"
mode = "subscription"
interval = "month"

[plans.annual]
name = "1,200 credits a year"
credits = 1200
price = 9000
currency = "usd"
mode = "subscription"
interval = "year"

[plans.free]
name = "20 credits a month"
credits = 20
price = 0
currency = "usd"
mode = "subscription"
interval = "month"

[plans.euro]
name = "100 credits a month"
credits = 100
price = 900
currency = "eur"
mode = "subscription"
interval = "month"
"""
"""The catalogue of a service that sells several subscriptions."""


@attrs.frozen(kw_only=True)
class Service:
    """A running service and the parts around it."""

    url: str
    stripe: StripeStandIn
    supabase: Supabase
    redis_url: str
    redis_process: int
    log: Path
    http: httpx.Client
    product: Product
    environment: dict[str, str]

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run an operator's `credence ...`, with the service's own settings except for those that are given."""
        return subprocess.run(
            [sys.executable, "-m", "entrypoints", *arguments],
            env=self.environment | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    def ops(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Return the service's answer to an operator."""
        headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
        return self.http.request(method, f"/ops{path}", json=body, headers=headers)

    def suspend_cache(self) -> None:
        """Let Redis answer nothing, as behind a broken network."""
        os.kill(self.redis_process, signal.SIGSTOP)

    def resume_cache(self) -> None:
        """Let Redis answer again, with what it had, and wait until the service uses it again."""
        os.kill(self.redis_process, signal.SIGCONT)
        assert "ok" == eventually(lambda: self.http.get("/readyz").json()["cache"], "ok")


@pytest.fixture(scope="session")
def service(new_database: Callable[[], str], new_server_folder: Callable[[], Path]) -> Iterator[Service]:
    """One service for all features: every scenario has customers of its own."""
    with running_service(new_database(), new_server_folder()) as running:
        yield running


@pytest.fixture(scope="session")
def selling_service(new_database: Callable[[], str], new_server_folder: Callable[[], Path]) -> Iterator[Service]:
    """Another one, whose catalogue sells several subscriptions, one at a time."""
    folder = new_server_folder()
    plans = folder / "several-plans.toml"
    plans.write_text(SEVERAL_PLANS, encoding="utf-8")
    with running_service(new_database(), folder, CREDENCE_PLANS=str(plans)) as running:
        yield running


@contextlib.contextmanager
def running_service(database_url: str, folder: Path, **settings: str) -> Iterator[Service]:
    """Run a service over a database, with files in the folder, until the end of the block."""
    embedded = EmbeddedRedis(folder / "redis")
    redis_url = embedded.start()
    port = free_port()
    url, log, plans = f"http://127.0.0.1:{port}", folder / "service.log", folder / "plans.toml"
    plans.write_text("\n".join(path.read_text() for path in PLANS))
    with (
        running_supabase(database_url) as supabase,
        Product() as product,
        StripeStandIn(webhook_url=f"{url}/webhooks/stripe", webhook_secret=WEBHOOK_SECRET) as stripe,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "STRIPE_SECRET_KEY": "sk_test_of_the_features",
            "STRIPE_WEBHOOK_SECRET": f"whsec_of_last_month,{WEBHOOK_SECRET}",
            "STRIPE_API_BASE": stripe.url,
            "SUPABASE_URL": supabase.url,
            "SUPABASE_SERVICE_ROLE_KEY": supabase.service_key,
            "SUPABASE_JWT_SECRET": JWT_SECRET,
            "REDIS_URL": redis_url,
            "CREDENCE_PORT": str(port),
            "CREDENCE_PLANS": str(plans),
            "CREDENCE_SERVICE_KEY": SERVICE_KEY,
            "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
            "CREDENCE_LOW_BALANCE": "20",
            "CREDENCE_NOTIFY_URL": product.url,
            "CREDENCE_NOTIFY_SECRET": NOTIFY_SECRET,
            **settings,
        }
        with serving(environment, log), httpx.Client(base_url=url, timeout=60) as http:
            wait_until_ready(url, log)
            yield Service(
                url=url,
                stripe=stripe,
                supabase=supabase,
                redis_url=redis_url,
                redis_process=process_of(redis_url),
                log=log,
                http=http,
                product=product,
                environment=environment,
            )
    embedded.stop()


def process_of(redis_url: str) -> int:
    """The process id of a Redis."""
    with redis.Redis.from_url(redis_url) as client:
        return int(client.info("server")["process_id"])


def eventually(seen: Callable[[], object], expected: object, *, attempts: int = 400) -> object:
    """Return what is seen at last: look again, a bounded number of times, until it is what is expected."""
    for _ in range(attempts):
        if seen() == expected:
            break
        pause()
    return seen()


def pause() -> None:
    """Let the other processes go on for a moment."""
    threading.Event().wait(0.05)
