"""The Stripe stand-in: the API that the real `stripe` package calls, the page where customers pay, and webhooks."""

import argparse
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.api import StripeApi, json_answer
from simulators.stripe.control import control
from simulators.stripe.listening import LISTEN_PATH, StripeListening
from simulators.stripe.objects import Object
from simulators.stripe.pages import CheckoutPages, html_answer, index_page
from simulators.stripe.portal_pages import PortalPages
from simulators.stripe.requests.refusals import refusal
from simulators.stripe.webhooks import PAUSES, Delivery, RetryingDeliverer, at_once, deliver, signed_headers

Result = TypeVar("Result")

MAX_DELIVERIES = 1000
MAX_RECORDED = 10_000


class StripeStandIn:
    """A simulated Stripe on the loopback address.

    With `auto_deliver` every event goes to the webhook address by itself, retried after each of the `pauses` until it
    is answered with 2xx; without, nothing is sent until `deliver`. What `account` does is never delivered by itself.
    A `stripe listen` that is connected gets every event in either case.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_simulated",  # noqa: S107 - a secret of a simulation
        auto_deliver: bool = False,
        pauses: Sequence[float] = PAUSES,
        merchant: str = "A simulated shop",
        seed: int | None = None,
        api_version: str | None = None,
        reports_steps: bool = False,
    ) -> None:
        self.account = StripeAccount(seed=seed, api_version=api_version, reports_steps=reports_steps)
        self.webhook_url = webhook_url
        self.webhook_secret = webhook_secret
        self.auto_deliver = auto_deliver
        self._deliverer = RetryingDeliverer(lambda event: self.deliver(event)[0], pauses=pauses)
        self._recorded: deque[Delivery] = deque(maxlen=MAX_RECORDED)
        self._is_paused = False
        self._listening = StripeListening(
            self.account, page=lambda: self.url, secret=lambda: self.webhook_secret, record=self._recorded.append
        )
        self._api = StripeApi(self.account, page=lambda: self.url, do=self.do, listening=self._listening)
        self._pages = CheckoutPages(self.account, merchant=merchant, do=self.do)
        self._portal = PortalPages(self.account, merchant=merchant, do=self.do)
        self._server = HttpServer(self._answer, port=port)

    @property
    def url(self) -> str:
        """Return the address: the API's base, and an index of sessions for people."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deliverer.stop()
        self._server.__exit__(kind, error, trace)

    @property
    def events(self) -> list[Object]:
        """Return every event, oldest first."""
        return list(self.account.events)

    def event(self, event_id: str) -> Object | None:
        """Return an event as it was reported."""
        return self.account.event(event_id)

    def session(self, session_id: str) -> Object | None:
        """Return a session as it is now."""
        return self.account.session(session_id)

    def pay(self, session_id: str, method: str = "card") -> Object:
        """Pay as the page does, with `card`, `delayed` or `decline`; returns the event.

        :raises Refusal: if the session is not open, or the card is declined.
        """
        return self.do(lambda: self.account.pay(session_id, method))

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive; returns the event.

        :raises Refusal: if none is on its way.
        """
        return self.do(lambda: self.account.settle(session_id))

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail; returns the event.

        :raises Refusal: if none is on its way.
        """
        return self.do(lambda: self.account.fail(session_id))

    def expire(self, session_id: str) -> Object:
        """Let an open session expire; returns the event.

        :raises Refusal: if it is not open.
        """
        return self.do(lambda: self.account.expire(session_id))

    def do(self, change: Callable[[], Result]) -> Result:
        """Change the account; with `auto_deliver` the events that it makes go to the webhook address."""
        made: list[Object] = []
        try:
            with self.account.lock:
                before = len(self.account.events)
                try:
                    return change()
                finally:
                    # A payment that a bank declines is refused, and reported all the same.
                    made = self.account.events[before:]
        finally:
            self._send(made)

    def pause_webhooks(self) -> None:
        """Let no new event be delivered by itself from now on, as in an outage; they are listed all the same."""
        self._is_paused = True

    def resume_webhooks(self) -> None:
        """Deliver new events again; those of the outage are not made up for."""
        self._is_paused = False

    def fail_next(self, count: int = 1, *, status: int = 500, path: str = "/v1/", **how: bool) -> None:
        """Let the API fail its next requests below a path, as :meth:`StripeApi.fail_next` says."""
        self._api.fail_next(count, status=status, path=path, **how)

    def twin(self, event: Object) -> Object:
        """Return another event of the same content, to be delivered by `deliver`."""
        return self.account.twin(event)

    def deliver(
        self,
        *events: Object,
        copies: int = 1,
        simultaneously: bool = False,
        secret: str | None = None,
        timestamp: int | None = None,
    ) -> list[Delivery]:
        """Deliver each event so many times, one after the other or all at the same moment.

        :raises ValueError: if no webhook address is configured, or there are none or too many to deliver.
        """
        if self.webhook_url is None:
            raise ValueError("no webhook address is configured")
        if not 1 <= len(events) * copies <= MAX_DELIVERIES:
            raise ValueError(f"from 1 to {MAX_DELIVERIES} deliveries can be made")
        url = self.webhook_url

        def job(event: Object) -> Delivery:
            body = json.dumps(event, indent=2).encode()
            when = int(time.time()) if timestamp is None else timestamp
            signing = self.webhook_secret if secret is None else secret
            delivery = deliver(url, event["id"], body, signed_headers(body, signing, when))
            self._recorded.append(delivery)
            return delivery

        jobs = [partial(job, event) for event in events for _ in range(copies)]
        return at_once(jobs) if simultaneously else [run() for run in jobs]

    def forge(self, event: Object) -> list[Delivery]:
        """Deliver an event once, signed by somebody who does not know the secret."""
        return self.deliver(event, secret=f"{self.webhook_secret}_guessed")

    def recorded(self) -> list[Delivery]:
        """Return every attempt of a delivery, oldest first."""
        return list(self._recorded)

    def _send(self, made: list[Object]) -> None:
        for event in made:
            self._listening.send(event)
        if self.auto_deliver and self.webhook_url is not None and not self._is_paused:
            for event in made:
                self._deliverer.submit(event)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/v1/"):
            return self._api.answer(request)
        for start, pages in (("/c/pay/", self._pages), ("/p/session/", self._portal)):
            if request.path.startswith(start):
                return pages.answer(request)
        if request.path == LISTEN_PATH:
            return self._listening.connect(request)
        if request.path.startswith("/_stand_in/"):
            return control(self, request)
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return html_answer(index_page(self.account.sessions()))
        return json_answer(refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).").body, 404)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Set up what `python -m simulators stripe` takes."""
    parser.epilog = (
        "Driven by the Stripe CLI: stripe --api-base http://127.0.0.1:12111 --api-key sk_test_simulated_account"
        " trigger checkout.session.completed. Events reach a service by --webhook-url, or by: stripe --api-base …"
        " listen --all-snapshot --forward-to 127.0.0.1:8000/webhooks/stripe. Both sign with the same secret."
    )
    parser.add_argument("--port", type=int, default=12111, help="port to listen on (default: 12111)")
    parser.add_argument("--webhook-url", help="where events are delivered (default: nowhere)")
    parser.add_argument("--webhook-secret", default="whsec_simulated", help="secret that deliveries are signed with")
    parser.add_argument("--seed", type=int, help="makes ids repeatable")
    parser.add_argument("--api-version", help="the version of all events, such as 2020-08-27 (default: the newest)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    # Blocked before any thread starts, so that the signals reach nobody but sigwait.
    ends = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with StripeStandIn(
            port=arguments.port,
            webhook_url=arguments.webhook_url,
            webhook_secret=arguments.webhook_secret,
            auto_deliver=arguments.webhook_url is not None,
            seed=arguments.seed,
            api_version=arguments.api_version,
            reports_steps=True,
        ) as stand_in:
            print(f"Stripe stand-in on {stand_in.url} (STRIPE_API_BASE); Ctrl-C ends it.", flush=True)
            whither = arguments.webhook_url or "nobody but stripe listen: no --webhook-url is given"
            print(f"Events go to {whither}.", flush=True)
            signal.sigwait(ends)
    except (OSError, OverflowError) as problem:
        print(f"Can't listen on port {arguments.port}: {problem}", file=sys.stderr)
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0
