"""A service and its commands whose SUPABASE_URL leads to something else that answers 200 to everything."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrypoints.cli import main
from features.harness.service import eventually
from simulators.http.server import HttpServer, Response
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving
from simulators.stripe.ordering.orders import order
from simulators.stripe.signatures import sign_webhook
from simulators.stripe.stand_in import StripeStandIn

ROOT = Path(__file__).resolve().parents[3]
USER = "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"
SERVICE_KEY, OPERATOR_KEY, SECRET = "a key of the backend's", "a key of the operator's", "whsec_of_nobody"
SOLD = {
    "mode": "payment",
    "success_url": "https://a.test/",
    "line_items": {"0": {"price_data": {"currency": "usd", "unit_amount": "500"}}},
    "metadata": {"userId": USER, "plan": "starter"},
}
PAGE = b"<html><body>We will be back</body></html>"
EVENT = b'{"id": "evt_1", "object": "event", "type": "charge.refunded", "created": 1767268800, "livemode": false,' + (
    b' "api_version": "2026-10-28.endive", "data": {"object": {"id": "ch_1", "object": "charge", "amount": 500,'
    b' "amount_refunded": 500, "currency": "usd", "payment_intent": "pi_1", "refunds": null}}}'
)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of such a deployment; Stripe has a payment that could be missing."""
    page = Response(headers={"Content-Type": "text/html"}, body=PAGE)
    with HttpServer(lambda _: page) as server, StripeStandIn(webhook_secret=SECRET) as stripe:
        stripe.pay(stripe.account.create_session(order(SOLD), stripe.url)["id"])
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "STRIPE_SECRET_KEY": "sk_test_of_nobody",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe.url,
            "SUPABASE_URL": server.url,
            "SUPABASE_SERVICE_ROLE_KEY": "the-secret-service-key",
            "REDIS_URL": redis_url,
            "CREDENCE_PORT": str(free_port()),
            "CREDENCE_SERVICE_KEY": SERVICE_KEY,
            "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
        }


COMMANDS = [
    ("check",),
    ("sync", USER),
    ("sync", "--all"),
    ("explain", USER),
    ("parked",),
    ("parked", "--retry"),
    ("outbox",),
    ("outbox", "--retry", "1"),
    ("replay", "evt_1"),
    ("claim", "evt_1", "--user", USER),
    ("grant", USER, "5", "--kind", "goodwill", "--reason", "an outage", "--operator", "Grace"),
    ("adjust", USER, "5", "--reason", "an outage", "--operator", "Grace"),
    ("reconcile", "--since", "1d"),
    ("doctor", "--json"),
    ("plans", "push"),
    ("customers", "adopt"),
]
ENDLESS = {"serve", "worker"}
"""Those say it in their logs."""
ELSEWHERE = {"migrate"}
"""Goes to SUPABASE_DB_URL."""


def test_no_command_is_left_out() -> None:
    """A new one belongs into one of the lists."""
    named = {command for commands in main.COMMANDS.values() for command in commands}
    assert named == {command for command, *_ in COMMANDS} | ENDLESS | ELSEWHERE


def test_every_command_says_what_answered(settings: dict[str, str]) -> None:
    """Exit code 1, one message with the status, the type and the first characters, no key and no traceback."""
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "entrypoints", *command],
            cwd=ROOT,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert 1 == done.returncode, (command, said)
        assert "was answered 200 (text/html) with '<html><body>We will be back</body></html>'" in said, command
        assert not [word for word in ("Traceback", "the-secret-service-key") if word in said], (command, said)


def test_the_worker_goes_on_and_logs_what_answered(settings: dict[str, str], tmp_path: Path) -> None:
    """It would do its work once the address is right; no key is in its log, and it ends in order."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "entrypoints", "worker"]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=settings, stdout=output, stderr=output) as process,
    ):
        answered = "was answered 200 (text/html) with '<html><body>We will be back</body></html>'"
        seen = eventually(lambda: answered in log.read_text(), True, attempts=2000)
        process.terminate()
        ended = process.wait()
    said = log.read_text()
    assert (True, 0) == (seen, ended), said
    assert not [word for word in ("Traceback", "the-secret-service-key") if word in said], said


def is_up(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return http.get("/plans").status_code == 200
    return False


def test_the_service_is_unavailable_not_broken(settings: dict[str, str], tmp_path: Path) -> None:
    """It answers 503 to whoever would come again, is not ready, and logs what answered, without the key."""
    log = tmp_path / "log"
    url = f"http://127.0.0.1:{settings['CREDENCE_PORT']}"
    backend, operator = ({"Authorization": f"Bearer {key}"} for key in (SERVICE_KEY, OPERATOR_KEY))
    with serving(settings, log), httpx.Client(base_url=url, timeout=60) as http:
        assert eventually(lambda: is_up(http), True) is True
        signed = {"Stripe-Signature": sign_webhook(EVENT, SECRET, int(time.time()))}
        spend = {"user_id": USER, "credits": 1}
        answers = {
            "ready": http.get("/readyz"),
            "webhook": http.post("/webhooks/stripe", content=EVENT, headers=signed),
            "quota": http.get(f"/quota?user_id={USER}", headers=backend),
            "spend": http.post("/usage", json=spend, headers={**backend, "Idempotency-Key": "key-1"}),
            "entries": http.get(f"/transactions?user_id={USER}", headers=backend),
            "parked": http.get("/ops/parked", headers=operator),
            "consistency": http.get("/ops/consistency", headers=operator),
            "backlog": http.get("/ops/backlog", headers=operator),
        }
    assert dict.fromkeys(answers, 503) == {name: answer.status_code for name, answer in answers.items()}
    logged = log.read_text()
    assert "was answered 200 (text/html) with '<html><body>We will be back</body></html>'" in logged
    assert "the-secret-service-key" not in logged
