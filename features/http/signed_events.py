"""A good event that spoils well: how it is made, sent, and looked for afterwards."""

import json
import time
import uuid
from typing import Any

import httpx

from features.harness.service import WEBHOOK_SECRET, Service
from features.steps.story import Story
from simulators.stripe.signatures import sign_webhook
from simulators.stripe.webhooks import Delivery, deliver, signed_headers

PROBLEM = "application/problem+json"


def post_webhook(service: Service, body: bytes, *, secret: str = WEBHOOK_SECRET, age: int = 0) -> httpx.Response:
    signature = sign_webhook(body, secret, int(time.time()) - age)
    return service.http.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})


def paid_session(**changes: Any) -> dict[str, Any]:
    """A session by which the starter plan was paid, with changes."""
    id_ = uuid.uuid4().hex
    return {
        "id": f"cs_test_{id_}",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{id_}",
        "amount_subtotal": 500,
        "amount_total": 500,
        "currency": "usd",
        **changes,
    }


def completed(story: Story, **changes: Any) -> dict[str, Any]:
    """An event that would give Ada 50 credits, with changes to its session; `envelope` changes the event itself."""
    ada = story.customers.get("Ada") or story.sign_up("Ada")
    envelope = changes.pop("envelope", {})
    metadata = {"userId": ada.user_id, "userEmail": ada.email, "plan": "starter"}
    session = paid_session(**{"metadata": metadata, **changes})
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": int(time.time()),
        "livemode": False,
        "type": "checkout.session.completed",
        "data": {"object": session},
        **envelope,
    }


def send_payment(story: Story, **changes: Any) -> tuple[str, Delivery]:
    """Deliver a payment of the starter plan as Stripe does, with changes to its session; gives the event's id, too."""
    id_ = uuid.uuid4().hex
    session = {
        "id": f"cs_test_{id_}",
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "paid",
        "payment_intent": f"pi_{id_}",
        "amount_subtotal": 500,
        "amount_total": 500,
        "currency": "usd",
        **changes,
    }
    event = {
        "id": f"evt_{id_}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": session},
    }
    body = json.dumps(event).encode()
    headers = signed_headers(body, story.service.stripe.webhook_secret, int(time.time()))
    return str(event["id"]), deliver(str(story.service.stripe.webhook_url), str(event["id"]), body, headers)


def send(story: Story, event: object) -> httpx.Response:
    return post_webhook(story.service, json.dumps(event).encode())


def balance(story: Story) -> int:
    credits: int = story.get("/quota", story.customers["Ada"]).json()["balance"]  # noqa: A001 - the word for it
    return credits


def inbox(story: Story, event: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = story.rows("select status, reason from public.webhook_events where id = $1", event["id"])
    return [(row["status"], row["reason"]) for row in found]
