"""The routes of Stripe's API that a checkout needs, with Stripe's authentication, idempotency, lists and errors."""

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from simulators.http import Request, Response
from simulators.stripe_account import StripeAccount
from simulators.stripe_forms import decode
from simulators.stripe_objects import API_VERSION, Object
from simulators.stripe_orders import order
from simulators.stripe_refusals import Refusal, error, invalid, missing, refusal

MIN_KEY_LENGTH = 12
MAX_IDEMPOTENCY_KEY_LENGTH = 255
MAX_REMEMBERED_ANSWERS = 10_000
MAX_PAGE = 100

_LIST_PARAMETERS = frozenset({"created", "expand", "limit", "starting_after", "type", "types"})
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


@attrs.frozen
class _Remembered:
    asked: tuple[str, Mapping[str, Any]]
    answer: Object
    request_id: str


class StripeApi:
    """Answers `/v1/...` from an account; `page` gives the address of its pages, and `told` hears of new events."""

    def __init__(self, account: StripeAccount, *, page: Callable[[], str], told: Callable[[Object], object]) -> None:
        self._account = account
        self._page = page
        self._told = told
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    def answer(self, request: Request) -> Response:
        """Stripe's answer, refusals among them."""
        headers = {"Request-Id": f"req_{uuid.uuid4().hex[:14]}"}
        try:
            if request.method not in ("GET", "POST"):
                headers["Allow"] = "GET, POST"
                raise refusal(405, f"Unrecognized request method ({request.method}: {request.path}).")
            _authenticate(request.headers.get("authorization", ""))
            if request.method == "GET":
                return json_answer(self._show(request), headers=headers)
            return self._change_once(request, headers)
        except Refusal as refused:
            return json_answer(refused.body, refused.status, headers=headers)

    def _show(self, request: Request) -> Object:
        match request.path.removeprefix("/v1/").split("/"):
            case ["checkout", "sessions", session_id]:
                return _found("checkout.session", session_id, self._account.session(session_id))
            case ["payment_intents", intent_id]:
                return _found("payment_intent", intent_id, self._account.intent(intent_id))
            case ["events"]:
                return self._list_events(_decoded(request.target.partition("?")[2].encode()))
            case ["events", event_id]:
                return _found("event", event_id, self._account.event(event_id))
            case _:
                raise _unrecognized(request)

    def _change_once(self, request: Request, headers: dict[str, str]) -> Response:
        parameters = _decoded(request.body)
        key = request.headers.get("idempotency-key")
        if key is None:
            return json_answer(self._change(request, parameters), headers=headers)
        if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH:
            raise refusal(400, f"Idempotency keys have up to {MAX_IDEMPOTENCY_KEY_LENGTH} characters.")
        asked = (request.path, parameters)
        with self._lock:
            first = self._remembered.get(key)
            if first is None:
                answer = self._change(request, parameters)
                self._remembered[key] = _Remembered(asked, answer, headers["Request-Id"])
                if len(self._remembered) > MAX_REMEMBERED_ANSWERS:
                    self._remembered.popitem(last=False)
                return json_answer(answer, headers=headers)
        if first.asked != asked:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
                f" Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise Refusal(400, error("idempotency_error", message))
        repeated = {"Idempotent-Replayed": "true", "Original-Request": first.request_id}
        return json_answer(first.answer, headers=headers | repeated)

    def _change(self, request: Request, parameters: Mapping[str, Any]) -> Object:
        match request.path.removeprefix("/v1/").split("/"):
            case ["checkout", "sessions"]:
                version = request.headers.get("stripe-version", API_VERSION)
                return self._account.create_session(order(parameters), self._page(), api_version=version)
            case ["checkout", "sessions", session_id, "expire"]:
                self._told(self._account.expire(session_id))
                return _found("checkout.session", session_id, self._account.session(session_id))
            case _:
                raise _unrecognized(request)

    def _list_events(self, parameters: Mapping[str, Any]) -> Object:
        for name in parameters:
            if name not in _LIST_PARAMETERS:
                raise invalid(f"Received unknown parameter: {name}", name, code="parameter_unknown")
        limit = _integer(parameters.get("limit", "10"), "limit")
        if not 1 <= limit <= MAX_PAGE:
            raise invalid(f"Invalid integer: must be from 1 to {MAX_PAGE}", "limit")
        events = self._account.events[::-1]
        if after := parameters.get("starting_after"):
            places = [place for place, told in enumerate(events) if told["id"] == after]
            if not places:
                raise missing("event", str(after), param="starting_after", status=400)
            events = events[places[0] + 1 :]
        kinds = _kinds(parameters)
        bounds = _bounds(parameters.get("created", {}))
        chosen = [
            told
            for told in events
            if (not kinds or told["type"] in kinds) and all(holds(told["created"], at) for holds, at in bounds)
        ]
        return {"object": "list", "url": "/v1/events", "has_more": len(chosen) > limit, "data": chosen[:limit]}


def json_answer(body: Object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON, indented as Stripe's are."""
    told = {"Content-Type": "application/json", **(headers or {})}
    return Response(status=status, headers=told, body=json.dumps(body, indent=2).encode())


def _authenticate(told: str) -> None:
    kind, _, key = told.partition(" ")
    if kind != "Bearer" or not key:
        raise refusal(401, "You did not provide an API key. Provide it in the Authorization header, as Bearer.")
    if not key.startswith(("sk_test_", "rk_test_")) or len(key) < MIN_KEY_LENGTH:
        raise refusal(401, f"Invalid API Key provided: {key[:8]}****")


def _decoded(form: bytes) -> dict[str, Any]:
    try:
        return decode(form)
    except ValueError as problem:
        raise refusal(400, f"Invalid form: {problem}") from problem


def _found(kind: str, wanted: str, found: Object | None) -> Object:
    if found is None:
        raise missing(kind, wanted)
    return found


def _unrecognized(request: Request) -> Refusal:
    return refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")


def _integer(told: object, param: str) -> int:
    text = str(told)
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise invalid(f"Invalid integer: {text[:40]}", param, code="parameter_invalid_integer")
    return int(text)


def _kinds(parameters: Mapping[str, Any]) -> set[str]:
    several = parameters.get("types", {})
    if not isinstance(several, Mapping):
        raise invalid("Invalid array", "types")
    return {str(kind) for kind in (parameters.get("type"), *several.values()) if kind}


def _bounds(told: object) -> list[tuple[Callable[[int, int], bool], int]]:
    if not isinstance(told, Mapping):
        return [(int.__eq__, _integer(told, "created"))]
    unknown = next((name for name in told if name not in _COMPARISONS), None)
    if unknown is not None:
        param = f"created[{unknown}]"
        raise invalid(f"Received unknown parameter: {param}", param, code="parameter_unknown")
    return [(_COMPARISONS[name], _integer(value, f"created[{name}]")) for name, value in told.items()]
