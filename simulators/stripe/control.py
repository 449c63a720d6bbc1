"""Lets other processes control the stand-in, below `/_stand_in/`, to do what only Stripe or a bank can do."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from simulators.http.server import Request, Response
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.api import json_answer
from simulators.stripe.objects import Object
from simulators.stripe.requests.forms import decode
from simulators.stripe.requests.lists import integer
from simulators.stripe.requests.refusals import Refusal, invalid, missing, refusal
from simulators.stripe.webhooks import Delivery

Result = TypeVar("Result")

MAX_COPIES = 100


class Controlled(Protocol):
    """The stand-in, as far as it can be controlled."""

    account: StripeAccount

    def do(self, change: Callable[[], Result]) -> Result:
        """Change the account, and let the world know."""

    def fail_next(self, count: int = 1, *, status: int = 500, path: str = "/v1/") -> None:
        """Let the API refuse its next requests below a path."""

    def pause_webhooks(self) -> None:
        """Deliver no new events by themselves."""

    def resume_webhooks(self) -> None:
        """Deliver new events again."""

    def recorded(self) -> list[Delivery]:
        """Return every attempt of a delivery, oldest first."""

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive."""

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail."""

    def expire(self, session_id: str) -> Object:
        """Let an open session expire."""

    def event(self, event_id: str) -> Object | None:
        """Return an event as it was reported."""

    def twin(self, event: Object) -> Object:
        """Return another event of the same content."""

    def deliver(self, *events: Object, copies: int, simultaneously: bool) -> list[Delivery]:
        """Deliver events now."""


def control(stand_in: Controlled, request: Request) -> Response:  # noqa: PLR0911 - one for each route
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
            case "POST", ["faults"]:
                asked = _asked(request.body)
                path = str(asked.get("path", "/v1/"))
                stand_in.fail_next(_number(asked, "count", 1), status=_number(asked, "status", 500), path=path)
                return json_answer({})
            case "POST", ["webhooks", "pause" | "resume" as wish]:
                (stand_in.pause_webhooks if wish == "pause" else stand_in.resume_webhooks)()
                return json_answer({})
            case "POST", path:
                return json_answer({"events": _lived(stand_in, path, _asked(request.body))})
            case _:
                raise refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
    except Refusal as refused:
        return json_answer(refused.body, refused.status)


def _lived(stand_in: Controlled, path: list[str], asked: dict[str, Any]) -> list[Object]:
    """Return what happens to a payment or a subscription later; the events that it made."""
    account = stand_in.account
    reversals, billing, collecting = account.reversals, account.billing, account.collecting
    amount = _number(asked, "amount", None)
    verbs: dict[tuple[str, str], Callable[[str], list[Object]]] = {
        ("payments", "refund"): lambda id_: reversals.refund(id_, amount, status=str(asked.get("status", "succeeded"))),
        ("payments", "dispute"): lambda id_: reversals.dispute(id_, amount, inquiry=_flag(asked, "inquiry")),
        ("refunds", "settle"): reversals.settle_refund,
        ("refunds", "fail"): reversals.fail_refund,
        ("refunds", "cancel"): reversals.cancel_refund,
        ("disputes", "respond"): reversals.respond,
        ("disputes", "escalate"): reversals.escalate,
        ("disputes", "appeal"): reversals.appeal,
        ("disputes", "reinstate"): lambda id_: reversals.reinstate(id_, amount),
        ("disputes", "close"): lambda id_: reversals.close_dispute(id_, str(asked.get("status", "lost"))),
        ("invoices", "pay"): lambda id_: collecting.pay(id_, amount),
        ("invoices", "pay_out_of_band"): collecting.pay_out_of_band,
        ("subscriptions", "cancel"): lambda id_: billing.cancel(
            id_,
            at_period_end=_flag(asked, "at_period_end"),
            prorate=_flag(asked, "prorate"),
            invoice_now=_flag(asked, "invoice_now"),
        ),
        ("subscriptions", "change"): lambda id_: billing.change_plan(
            id_,
            amount or 0,
            metadata=asked.get("metadata"),
            invoice_now=_flag(asked, "invoice_now"),
            new_period=_flag(asked, "new_period"),
        ),
    }
    match path:
        case ["clock", "advance"]:
            return stand_in.do(lambda: billing.advance(_number(asked, "seconds", 0)))
        case [kind, id_, what] if (kind, what) in verbs:
            return stand_in.do(lambda: verbs[kind, what](id_))
        case _:
            raise refusal(404, f"Unrecognized request URL (POST: /_stand_in/{'/'.join(path)}).")


def _asked(form: bytes) -> dict[str, Any]:
    try:
        return decode(form)
    except ValueError as problem:
        raise refusal(400, f"Invalid form: {problem}") from problem


def _number(asked: dict[str, Any], name: str, default: Any) -> Any:
    return integer(asked[name], name) if name in asked else default


def _deliver(stand_in: Controlled, event_id: str, form: bytes) -> list[Delivery]:
    asked = _asked(form)
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
    given = asked.get(name, "false")
    if given not in ("true", "false"):
        raise invalid("Invalid boolean: must be true or false", name)
    return bool(given == "true")


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
