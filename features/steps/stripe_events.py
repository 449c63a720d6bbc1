"""The events of the stand-in's account: which are Ada's, and their delivery."""

import json
from typing import Any

from features.steps.story import Story
from simulators.stripe.objects import Object

HOUR = 60 * 60
DAY = 24 * HOUR


def account(story: Story) -> Any:
    return story.service.stripe.account


def cents(price: str) -> int:
    return round(float(price.strip("$ ")) * 100)


def intent_of(story: Story, session_id: str | None = None) -> str:
    session = account(story).session(session_id or story.customers["Ada"].sessions[-1])
    return str(session["payment_intent"])


def deliver_all(story: Story, events: list[Object], **how: Any) -> None:
    story.deliver(*events, **how)
    assert {200} == {delivery.status for delivery in story.deliveries}, story.deliveries


def object_of(event: Object) -> Any:
    return event["data"]["object"]


def mine(story: Story, events: list[Object]) -> list[Object]:
    """Those of the events that are about Ada's own subscription: the stand-in has others, of other scenarios."""
    subscription = account(story).session(story.customers["Ada"].sessions[-1])["subscription"]
    text = {event["id"]: json.dumps(event) for event in events}
    bills = {object_of(event)["id"] for event in events if subscription in text[event["id"]]}
    return [event for event in events if any(known in text[event["id"]] for known in bills)]
