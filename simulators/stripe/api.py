"""The routes of Stripe's API that a checkout needs, with Stripe's authentication, idempotency, lists and errors."""

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

import attrs

from simulators.http.server import HangUp, Request, Response
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.listening import StripeListening
from simulators.stripe.objects import API_VERSION, Object
from simulators.stripe.ordering.orders import order
from simulators.stripe.requests.forms import decode
from simulators.stripe.requests.refusals import Refusal, error, missing, refusal
from simulators.stripe.resources.catalogue import with_prices
from simulators.stripe.resources.changes import change
from simulators.stripe.resources.invoices import send
from simulators.stripe.resources.reading import StripeReading
from simulators.stripe.selling.portal import portal_session

MIN_KEY_LENGTH = 12
MAX_IDEMPOTENCY_KEY_LENGTH = 255
MAX_REMEMBERED_ANSWERS = 10_000
REMEMBERED_SECONDS = 24 * 3600
NO_ANSWER = 0
DECLINED = 402

Do = Callable[[Callable[[], Object]], Object]
"""Does something to the account, and lets the world know of the events that it made."""


@attrs.frozen
class _Remembered:
    asked: tuple[str, Mapping[str, Any]]
    answer: Object
    request_id: str
    at: int
    status: int = 200


@attrs.frozen
class _Fault:
    path: str
    status: int
    is_stored: bool
    """Whether the error is stored under the key of the request, and repeated for a day."""
    is_applied: bool
    """Whether the request is carried out, although nobody hears of it."""


class StripeApi:
    """Answers `/v1/...` from an account; `page` gives the address of its pages, and `do` changes the account."""

    def __init__(self, account: StripeAccount, *, page: Callable[[], str], do: Do, listening: StripeListening) -> None:
        self._account = account
        self._listening = listening
        self._reading = StripeReading(account)
        self._page = page
        self._do = do
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    def answer(self, request: Request) -> Response:
        """Return Stripe's answer, refusals among them."""
        date = formatdate(self._account.now(), usegmt=True)
        headers = {"Request-Id": f"req_{uuid.uuid4().hex[:14]}", "Date": date}
        fault = self._next_fault(request.path)
        if fault is None:
            return self._answered(request, headers)
        if fault.is_applied:
            self._answered(request, headers)
        if fault.status == NO_ANSWER:
            raise HangUp
        refused, key = _fault(fault.status), request.headers.get("idempotency-key")
        if fault.is_stored and key is not None:
            self._remember(key, request, _decoded(request.body), headers, refused)
        return json_answer(refused.body, refused.status, headers=headers)

    def _answered(self, request: Request, headers: dict[str, str]) -> Response:
        try:
            if request.method not in ("GET", "POST", "DELETE"):
                headers["Allow"] = "GET, POST, DELETE"
                raise refusal(405, f"Unrecognized request method ({request.method}: {request.path}).")
            _authenticate(request.headers.get("authorization", ""))
            if request.method == "GET":
                return json_answer(self._show(request), headers=headers)
            return self._change_once(request, headers)
        except Refusal as refused:
            return json_answer(refused.body, refused.status, headers=headers)

    def fail_next(
        self,
        count: int = 1,
        *,
        status: int = 500,
        path: str = "/v1/",
        is_stored: bool = False,
        is_applied: bool = False,
    ) -> None:
        """Refuse the next requests below a path with this status, as Stripe does when it is not well.

        With NO_ANSWER as the status the connection is closed instead. An error that is stored is repeated for every
        request of the same key. What is applied is done all the same.
        """
        self._faults += [_Fault(path, status, is_stored, is_applied)] * count

    def _next_fault(self, path: str) -> _Fault | None:
        with self._lock:
            fault = next((fault for fault in self._faults if path.startswith(fault.path)), None)
            if fault is not None:
                self._faults.remove(fault)
            return fault

    def _remember(
        self, key: str, request: Request, parameters: Mapping[str, Any], headers: Mapping[str, str], refused: Refusal
    ) -> None:
        asked = (f"{request.method} {request.path}", parameters)
        now = self._account.now()
        self._remembered[key] = _Remembered(asked, refused.body, headers["Request-Id"], now, refused.status)

    def _show(self, request: Request) -> Object:
        parameters = _decoded(request.target.partition("?")[2].encode())
        found = self._reading.show(_path(request), parameters, self._version(request))
        if found is None:
            raise _unrecognized(request)
        return found

    def _change_once(self, request: Request, headers: dict[str, str]) -> Response:
        # What is to be removed is described in the address, as far as it needs to be.
        is_removal = request.method == "DELETE" and not request.body
        parameters = _decoded(request.target.partition("?")[2].encode() if is_removal else request.body)
        key = request.headers.get("idempotency-key")
        if key is None:
            return json_answer(self._change(request, parameters), headers=headers)
        if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH:
            raise refusal(400, f"Idempotency keys have up to {MAX_IDEMPOTENCY_KEY_LENGTH} characters.")
        asked = (f"{request.method} {request.path}", parameters)
        with self._lock:
            first, now = self._remembered.get(key), self._account.now()
            if first is None or now >= first.at + REMEMBERED_SECONDS:
                try:
                    answer = self._change(request, parameters)
                except Refusal as refused:
                    if refused.status == DECLINED:  # what a bank said is an answer; what is invalid was never done
                        self._remember(key, request, parameters, headers, refused)
                    raise
                self._remembered[key] = _Remembered(asked, answer, headers["Request-Id"], now)
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
        return json_answer(first.answer, first.status, headers=headers | repeated)

    def _change(self, request: Request, parameters: Mapping[str, Any]) -> Object:
        match request.method, _path(request):
            case "POST", ["stripecli", "sessions"]:
                return self._listening.open_session(parameters)
            case "POST", ["events", event_id, "retry"]:
                return self._listening.resend(event_id, parameters)
            case _:
                return self._do(lambda: self._changed(request, parameters))

    def _changed(self, request: Request, parameters: Mapping[str, Any]) -> Object:
        account, version = self._account, self._version(request)
        match request.method, _path(request):
            case "POST", ["checkout", "sessions"]:
                priced = with_prices(account, parameters)
                return account.create_session(order(priced, api_version=version), self._page(), api_version=version)
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                account.expire(session_id)
                return _found("checkout.session", session_id, account.session(session_id))
            case "POST", ["billing_portal", "sessions"]:
                return portal_session(account, parameters, self._page())
            case "POST", ["invoices", invoice_id, "send"]:
                return account.shown(send(account, invoice_id, request.headers.get("idempotency-key")), version)
            case "POST", ["webhook_endpoints"]:
                return account.add_endpoint(parameters)
            case method, path:
                changed = change(account, method, path, parameters)
                if changed is None:
                    raise _unrecognized(request)
                return self._reading.expanded(account.shown(changed, version), parameters, version)

    def _version(self, request: Request) -> str:
        return request.headers.get("stripe-version") or self._account.api_version or API_VERSION


def json_answer(body: Object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON, indented as Stripe's are."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    return Response(status=status, headers=fields, body=json.dumps(body, indent=2).encode())


def _authenticate(text: str) -> None:
    kind, _, key = text.partition(" ")
    if kind != "Bearer" or not key:
        raise refusal(401, "You did not provide an API key. Provide it in the Authorization header, as Bearer.")
    if not key.startswith(("sk_test_", "rk_test_")) or len(key) < MIN_KEY_LENGTH:
        raise refusal(401, f"Invalid API Key provided: {key[:8]}****")


def _fault(status: int) -> Refusal:
    kind = "rate_limit_error" if status == 429 else "api_error"
    return Refusal(status, error(kind, "Something is not well, because the simulation was asked for it."))


def _decoded(form: bytes) -> dict[str, Any]:
    try:
        return decode(form)
    except ValueError as problem:
        raise refusal(400, f"Invalid form: {problem}") from problem


def _found(kind: str, wanted: str, found: Object | None) -> Object:
    if found is None:
        raise missing(kind, wanted)
    return found


def _path(request: Request) -> list[str]:
    return request.path.removeprefix("/v1/").split("/")


def _unrecognized(request: Request) -> Refusal:
    return refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
