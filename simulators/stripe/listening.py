"""Answers `stripe listen` and `stripe events resend`: sessions, the connection that carries events, and resending.

The messages are those of the CLI's own source, https://github.com/stripe/stripe-cli, in `pkg/websocket`.
"""

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from simulators.http.server import Request, Response
from simulators.http.websocket import WebSocket, upgrade
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import API_VERSION, Object
from simulators.stripe.requests.parameters import boolean, require, texts
from simulators.stripe.requests.refusals import invalid, missing, refusal
from simulators.stripe.webhooks import Delivery, deliver, signed_headers

LISTEN_PATH = "/_stand_in/listen"
FEATURE = "webhooks"
RECONNECT_SECONDS = 24 * 3600
MAX_AWAITED = 10_000


class StripeListening:
    """The listeners of an account; each gets every event, signed with the secret that its session was given."""

    def __init__(
        self,
        account: StripeAccount,
        *,
        page: Callable[[], str],
        secret: Callable[[], str],
        record: Callable[[Delivery], None],
    ) -> None:
        self._account = account
        self._page = page
        self._secret = secret
        self._record = record
        self._lock = threading.Lock()
        self._sessions: set[str] = set()
        self._open: list[WebSocket] = []
        self._awaited: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """By the id of a message: its event, and when it was sent."""

    def open_session(self, parameters: Mapping[str, Any]) -> Object:
        """Return where a listener connects to, and the secret.

        :raises Refusal: if it does not want webhooks: neither thin events nor logs of requests are simulated.
        """
        wanted = texts(parameters, "websocket_features")
        if FEATURE not in wanted:
            raise invalid(f"Only the feature {FEATURE} is simulated, not {', '.join(wanted)}.", "websocket_features")
        session = self._account.new_id("cliws_")
        with self._lock:
            self._sessions.add(session)
        return {
            "default_version": self._account.api_version or API_VERSION,
            "display_connect_filter_warning": False,
            "latest_version": API_VERSION,
            "reconnect_delay": RECONNECT_SECONDS,
            "secret": self._secret(),
            "websocket_authorized_feature": FEATURE,
            "websocket_id": session,
            "websocket_url": self._page().replace("http", "ws", 1) + LISTEN_PATH,
        }

    def connect(self, request: Request) -> Response:
        """Connect a listener. A listener of an earlier run of the stand-in must open a session again."""
        with self._lock:
            is_known = request.headers.get("websocket-id") in self._sessions
        if not is_known:
            unknown = refusal(400, "Unknown WebSocket ID.")
            return Response(status=400, body=json.dumps(unknown.body).encode())
        return upgrade(request, self._listen)

    def send(self, event: Object) -> None:
        """Send an event to every listener, in the account's version and in the newest."""
        with self._lock:
            listeners = tuple(self._open)
        for listener in listeners:
            for one, version in ((event, None), (self._account.newest(event), API_VERSION)):
                listener.send(json.dumps(self._message(one, version)))

    def resend(self, event_id: str, parameters: Mapping[str, Any]) -> Object:
        """Send an event once more, to the listeners or to a registered endpoint; returns the event.

        :raises Refusal: if there is no such event, or no such endpoint.
        """
        event = self._account.event(event_id)
        if event is None:
            raise missing("event", event_id)
        if boolean(parameters, "for_stripecli"):
            self.send(event)
            return event
        require(parameters, "webhook_endpoint")
        wanted = str(parameters["webhook_endpoint"])
        endpoint = next((one for one in self._account.endpoints if one["id"] == wanted), None)
        if endpoint is None:
            raise missing("webhook_endpoint", wanted, param="webhook_endpoint")
        # In the background: the receiver may call the API before it answers.
        threading.Thread(target=self._deliver, args=(endpoint["url"], event), daemon=True).start()
        return event

    def _deliver(self, url: str, event: Object) -> None:
        body = json.dumps(event, indent=2).encode()
        self._record(deliver(url, event["id"], body, signed_headers(body, self._secret(), int(time.time()))))

    def _message(self, event: Object, version: str | None) -> Object:
        payload, message_id = json.dumps(event, indent=2), self._account.new_id("wh_")
        with self._lock:
            self._awaited[message_id] = (event["id"], time.perf_counter())
            if len(self._awaited) > MAX_AWAITED:
                self._awaited.popitem(last=False)
        return {
            "type": "webhook_event",
            "endpoint": {"api_version": version},
            "event_payload": payload,
            "http_headers": signed_headers(payload.encode(), self._secret(), int(time.time())),
            "webhook_conversation_id": message_id.replace("wh_", "wc_"),
            "webhook_id": message_id,
        }

    def _listen(self, listener: WebSocket) -> None:
        with self._lock:
            self._open.append(listener)
        try:
            for message in listener.messages():
                # Whatever else a listener says than what its endpoint answered needs no answer.
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    self._note(json.loads(message))
        finally:
            with self._lock:
                self._open.remove(listener)

    def _note(self, fields: Mapping[str, Any]) -> None:
        if fields["type"] != "webhook_response":
            return
        with self._lock:
            event_id, sent = self._awaited.pop(fields["webhook_id"])
        body = str(fields["body"]).encode()
        latency = time.perf_counter() - sent
        self._record(Delivery(event_id=event_id, status=int(fields["status"]), body=body, latency=latency))
