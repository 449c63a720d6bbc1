"""Requests as Stripe and a product's backend send them, as bytes."""

import itertools
import json
import random
import time
import uuid
from collections.abc import Callable

from features.bench.accounts import user_id
from simulators.stripe.signatures import sign_webhook

WEBHOOK_SECRET = "whsec_of_the_measurement"
SERVICE_KEY = "service-key-of-the-measurement"


def quota_reads(accounts: int | range) -> Callable[[], bytes]:
    """Reads of the quota of one account after the other, in no order."""
    numbers = _numbers(accounts)

    def request() -> bytes:
        user = user_id(random.choice(numbers))
        return (
            f"GET /quota?user_id={user} HTTP/1.1\r\nHost: credence\r\nAuthorization: Bearer {SERVICE_KEY}\r\n\r\n"
        ).encode()

    return request


def spends(accounts: int | range) -> Callable[[], bytes]:
    """Spends of one credit each, of one account after the other, in no order."""
    of, run, numbers = _numbers(accounts), uuid.uuid4().hex[:12], itertools.count()

    def request() -> bytes:
        body = json.dumps({"user_id": user_id(random.choice(of)), "credits": 1}).encode()
        return (
            f"POST /usage HTTP/1.1\r\nHost: credence\r\nAuthorization: Bearer {SERVICE_KEY}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {run}{next(numbers)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    return request


def webhooks(accounts: int | range) -> Callable[[], bytes]:
    """Deliveries of sessions that were paid, each of a purchase of its own, signed."""
    of, run, numbers = _numbers(accounts), uuid.uuid4().hex[:12], itertools.count()
    template = paid_session()

    def request() -> bytes:
        name, user, now = f"{run}{next(numbers)}", user_id(random.choice(of)), int(time.time())
        body = template.replace("NAME", name).replace("USER", user).encode()
        return (
            "POST /webhooks/stripe HTTP/1.1\r\nHost: credence\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"Stripe-Signature: {sign_webhook(body, WEBHOOK_SECRET, now)}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    return request


def _numbers(accounts: int | range) -> range:
    """The numbers of the first so many accounts, or those that are given."""
    return accounts if isinstance(accounts, range) else range(accounts)


def paid_session() -> str:
    """The event of a session that was paid, with NAME and USER in their places."""
    metadata = {"userId": "USER", "userEmail": "a@example.com", "plan": "starter"}
    session = {
        "id": "cs_test_NAME",
        "object": "checkout.session",
        "amount_subtotal": 500,
        "amount_total": 500,
        "client_reference_id": "USER",
        "created": 1_790_000_000,
        "currency": "usd",
        "customer_details": {"email": "a@example.com", "name": "Ada", "address": {"country": "GB", "line1": None}},
        "livemode": False,
        "metadata": metadata,
        "mode": "payment",
        "payment_intent": "pi_NAME",
        "payment_status": "paid",
        "status": "complete",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": None,
        **{f"unused_field_{number}": None for number in range(40)},
    }
    event = {
        "id": "evt_NAME",
        "object": "event",
        "api_version": "2026-10-28.dahlia",
        "created": 1_790_000_000,
        "data": {"object": session},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "checkout.session.completed",
    }
    return json.dumps(event)
