"""What other processes may ask of the stand-in itself, below `/_stand_in/`: what only Stripe or a bank could do."""

from collections.abc import Callable
from typing import Any, Protocol

from simulators.http import Request, Response
from simulators.stripe_api import json_answer
from simulators.stripe_forms import decode
from simulators.stripe_objects import Object
from simulators.stripe_refusals import Refusal, invalid, missing, refusal
from simulators.stripe_webhooks import Delivery

MAX_COPIES = 100


class Controlled(Protocol):
    """What can be controlled: the stand-in."""

    def recorded(self) -> list[Delivery]:
        """Every attempt of a delivery, oldest first."""

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive."""

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail."""

    def expire(self, session_id: str) -> Object:
        """Let an open session expire."""

    def event(self, event_id: str) -> Object | None:
        """An event as it was told."""

    def twin(self, event: Object) -> Object:
        """Another event of the same content."""

    def deliver(self, *events: Object, copies: int, simultaneously: bool) -> list[Delivery]:
        """Deliver events now."""


def control(stand_in: Controlled, request: Request) -> Response:
    """Do what is asked; every answer is JSON."""
    changes: dict[str, Callable[[str], Object]] = {
        "settle": stand_in.settle,
        "fail": stand_in.fail,
        "expire": stand_in.expire,
    }
    try:
        match request.method, request.path.removeprefix("/_stand_in/").split("/"):
            case "GET", ["deliveries"]:
                return json_answer(_shown(stand_in.recorded()))
            case "POST", ["sessions", session_id, change] if change in changes:
                return json_answer(changes[change](session_id))
            case "POST", ["events", event_id, "deliver"]:
                return json_answer(_shown(_deliver(stand_in, event_id, request.body)))
            case _:
                raise refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
    except Refusal as refused:
        return json_answer(refused.body, refused.status)


def _deliver(stand_in: Controlled, event_id: str, form: bytes) -> list[Delivery]:
    try:
        asked = decode(form)
    except ValueError as problem:
        raise refusal(400, f"Invalid form: {problem}") from problem
    copies = str(asked.get("copies", "1"))
    if not (copies.isascii() and copies.isdecimal() and len(copies) <= 3 and 1 <= int(copies) <= MAX_COPIES):
        raise invalid(f"Invalid integer: must be from 1 to {MAX_COPIES}", "copies")
    at_once, twin = _flag(asked, "at_once"), _flag(asked, "twin")
    event = stand_in.event(event_id)
    if event is None:
        raise missing("event", event_id)
    try:
        return stand_in.deliver(stand_in.twin(event) if twin else event, copies=int(copies), simultaneously=at_once)
    except ValueError as problem:
        raise refusal(400, f"Nothing is delivered: {problem}.") from problem


def _flag(asked: dict[str, Any], name: str) -> bool:
    told = asked.get(name, "false")
    if told not in ("true", "false"):
        raise invalid("Invalid boolean: must be true or false", name)
    return bool(told == "true")


def _shown(deliveries: list[Delivery]) -> Object:
    return {
        "deliveries": [
            {
                "event_id": delivery.event_id,
                "status": delivery.status,
                "body": delivery.body.decode(errors="replace"),
                "latency": round(delivery.latency, 6),
            }
            for delivery in deliveries
        ]
    }
