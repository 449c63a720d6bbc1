"""The Stripe stand-in: the API that the real `stripe` package calls, the page where customers pay, and webhooks."""

import argparse
import json
import signal
import sys
import time
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from simulators.http import HttpServer, Request, Response
from simulators.stripe_account import Refusal, StripeAccount
from simulators.stripe_forms import decode
from simulators.stripe_objects import Object, error
from simulators.stripe_pages import awaiting_page, checkout_page, closed_page, index_page
from simulators.stripe_webhooks import Delivery, RetryingDeliverer, at_once, deliver, signed_headers

_MIN_KEY_LENGTH = 12


class StripeStandIn:
    """A simulated Stripe on the loopback address.

    With `auto_deliver` every event goes to the webhook address by itself, retried until it is answered with 2xx;
    without, nothing is sent until `deliver`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_simulated",  # noqa: S107 - a secret of a simulation
        auto_deliver: bool = False,
        seed: int | None = None,
    ) -> None:
        self.account = StripeAccount(seed=seed)
        self.webhook_url = webhook_url
        self.webhook_secret = webhook_secret
        self.auto_deliver = auto_deliver
        self._deliverer = RetryingDeliverer(lambda event: self.deliver(event)[0])
        self._server = HttpServer(self._answer, port=port)

    @property
    def url(self) -> str:
        """The address: the API's base, and an index of sessions for people."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deliverer.stop()
        self._server.__exit__(kind, error, trace)

    def deliver(
        self,
        *events: Object,
        copies: int = 1,
        simultaneously: bool = False,
        secret: str | None = None,
        timestamp: int | None = None,
    ) -> list[Delivery]:
        """Deliver each event so many times, one after the other or all at the same moment."""
        if self.webhook_url is None:
            raise ValueError("no webhook address is configured")
        url = self.webhook_url

        def job(event: Object) -> Delivery:
            body = json.dumps(event, indent=2).encode()
            when = int(time.time()) if timestamp is None else timestamp
            signing = self.webhook_secret if secret is None else secret
            return deliver(url, event["id"], body, signed_headers(body, signing, when))

        jobs = [partial(job, event) for event in events for _ in range(copies)]
        return at_once(jobs) if simultaneously else [run() for run in jobs]

    def _answer(self, request: Request) -> Response:
        try:
            if request.path.startswith("/v1/"):
                return self._api(request)
            if request.path.startswith("/c/pay/"):
                return self._page(request)
        except Refusal as refusal:
            return _json(refusal.body, refusal.status)
        if request.path == "/":
            return _html(index_page(self.account.sessions()))
        return _json(error("invalid_request_error", f"Unrecognized request URL ({request.path})."), 404)

    def _api(self, request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key.startswith(("sk_test_", "rk_test_")) or len(key) < _MIN_KEY_LENGTH:
            raise Refusal(401, error("invalid_request_error", "Invalid API Key provided."))
        match request.method, request.path.removeprefix("/v1/").split("/"):
            case "POST", ["checkout", "sessions"]:
                return self._create_session(request)
            case "GET", ["checkout", "sessions", session_id]:
                return _found("checkout.session", session_id, self.account.session(session_id))
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                if self.account.session(session_id) is None:
                    return _found("checkout.session", session_id, None)
                self._told(self.account.expire(session_id))
                return _found("checkout.session", session_id, self.account.session(session_id))
            case "GET", ["payment_intents", intent_id]:
                return _found("payment_intent", intent_id, self.account.intent(intent_id))
            case "GET", ["events", event_id]:
                told = next((event for event in self.account.events if event["id"] == event_id), None)
                return _found("event", event_id, told)
            case _:
                message = f"Unrecognized request URL ({request.method}: {request.path})."
                raise Refusal(404, error("invalid_request_error", message))

    def _create_session(self, request: Request) -> Response:
        try:
            parameters = decode(request.body)
        except ValueError as problem:
            raise Refusal(400, error("invalid_request_error", f"Invalid form: {problem}")) from problem
        session, repeated = self.account.create_session(
            parameters,
            self.url,
            idempotency_key=request.headers.get("idempotency-key"),
            form=request.body,
        )
        return _json(session, headers={"Idempotent-Replayed": "true"} if repeated else {})

    def _page(self, request: Request) -> Response:
        session_id = request.path.removeprefix("/c/pay/")
        session = self.account.session(session_id)
        if session is None:
            return _html(b"No such checkout.", 404)
        method = parse_qs(request.body.decode(errors="replace")).get("method", [""])[0]
        if self.account.is_awaited(session_id):
            return self._transfer(session, method)
        if session["status"] != "open":
            return _html(closed_page(session))
        if request.method != "POST":
            return _html(checkout_page(session, self.account.product(session_id)))
        return self._pay(session, method)

    def _pay(self, session: Object, method: str) -> Response:
        if method not in {"card", "delayed"}:
            told = "Your card was declined." if method == "decline" else "Choose how to pay."
            return _html(checkout_page(session, self.account.product(session["id"]), error=told), 402)
        event = self.account.pay(session["id"], delayed=method == "delayed")
        if event is None:
            return _html(closed_page(session))
        self._told(event)
        return _back(session)

    def _transfer(self, session: Object, method: str) -> Response:
        if method not in {"settle", "fail"}:
            return _html(awaiting_page(session))
        end = self.account.settle if method == "settle" else self.account.fail
        self._told(end(session["id"]))
        return _back(session)

    def _told(self, event: Object) -> None:
        if self.auto_deliver and self.webhook_url is not None:
            self._deliverer.submit(event)


def _json(body: Object, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    told = {"Content-Type": "application/json", "Request-Id": "req_simulated", **(headers or {})}
    return Response(status=status, headers=told, body=json.dumps(body, indent=2).encode())


def _back(session: Object) -> Response:
    address = str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
    return Response(status=303, headers={"Location": address})


def _html(body: bytes, status: int = 200) -> Response:
    return Response(status=status, headers={"Content-Type": "text/html; charset=utf-8"}, body=body)


def _found(kind: str, wanted: str, found: Object | None) -> Response:
    if found is None:
        message = f"No such {kind}: '{wanted}'"
        raise Refusal(404, error("invalid_request_error", message, code="resource_missing", param="id"))
    return _json(found)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `python -m simulators stripe` takes."""
    parser.add_argument("--port", type=int, default=12111, help="port to listen on (default: 12111)")
    parser.add_argument("--webhook-url", help="where events are delivered (default: nowhere)")
    parser.add_argument("--webhook-secret", default="whsec_simulated", help="secret that deliveries are signed with")
    parser.add_argument("--seed", type=int, help="makes ids repeatable")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    try:
        stand_in = StripeStandIn(
            port=arguments.port,
            webhook_url=arguments.webhook_url,
            webhook_secret=arguments.webhook_secret,
            auto_deliver=arguments.webhook_url is not None,
            seed=arguments.seed,
        )
    except OSError as problem:
        print(f"Can't listen on port {arguments.port}: {problem.strerror}", file=sys.stderr)
        return 1
    with stand_in:
        print(f"Stripe stand-in on {stand_in.url} (STRIPE_API_BASE); Ctrl-C ends it.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0
