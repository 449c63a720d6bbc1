"""One simulated Stripe account: its checkout sessions, payments and events. No HTTP here."""

import random
import string
import threading
import time
from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stripe_objects import Object, checkout_session, error, event, payment_intent

CURRENCIES = frozenset({"usd", "eur", "gbp", "jpy", "chf", "cad", "aud", "sek", "nok", "dkk", "pln", "brl"})
_CHECKOUT_PARAMETERS = frozenset(
    {
        "allow_promotion_codes",
        "cancel_url",
        "client_reference_id",
        "customer_email",
        "expand",
        "invoice_creation",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "subscription_data",
        "success_url",
        "ui_mode",
    }
)


@attrs.frozen
class Refusal(Exception):
    """A request that Stripe would refuse, with the status and the error object of its answer."""

    status: int
    body: Object


def invalid(message: str, param: str, *, code: str | None = None) -> Refusal:
    """A refusal of one parameter."""
    return Refusal(400, error("invalid_request_error", message, code=code, param=param))


class StripeAccount:
    """The state behind the stand-in's API and pages; every method is one indivisible step."""

    def __init__(self, *, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._sessions: dict[str, Object] = {}
        self._parameters: dict[str, Mapping[str, Any]] = {}
        self._intents: dict[str, Object] = {}
        self._awaited: set[str] = set()
        self._replies: dict[str, tuple[bytes, Object]] = {}
        self.events: list[Object] = []

    def new_id(self, prefix: str) -> str:
        """An id of Stripe's kind."""
        letters = string.ascii_letters + string.digits
        return prefix + "".join(self._random.choice(letters) for _ in range(24))

    def create_session(
        self,
        parameters: Mapping[str, Any],
        page: str,
        *,
        idempotency_key: str | None = None,
        form: bytes = b"",
    ) -> tuple[Object, bool]:
        """A new session, or for a repeated key the first one's answer; whether it was a repetition.

        :raises Refusal: if the parameters are not those of a checkout, or the key had others.
        """
        with self._lock:
            if idempotency_key is not None and idempotency_key in self._replies:
                first_form, reply = self._replies[idempotency_key]
                if first_form != form:
                    message = "Keys for idempotent requests can only be used with the same parameters."
                    raise Refusal(400, error("idempotency_error", message))
                return reply, True
            amount, currency = _priced(parameters)
            session_id = self.new_id("cs_test_")
            session = checkout_session(
                session_id,
                created=int(time.time()),
                url=f"{page}/c/pay/{session_id}",
                parameters=parameters,
                subtotal=amount,
                currency=currency,
            )
            self._sessions[session_id] = session
            self._parameters[session_id] = parameters
            if idempotency_key is not None:
                self._replies[idempotency_key] = (form, dict(session))
            return dict(session), False

    def session(self, session_id: str) -> Object | None:
        """A session as it is now."""
        with self._lock:
            found = self._sessions.get(session_id)
            return dict(found) if found else None

    def sessions(self) -> list[Object]:
        """Every session, newest first."""
        with self._lock:
            return [dict(session) for session in reversed(self._sessions.values())]

    def intent(self, intent_id: str) -> Object | None:
        """A payment intent as it is now."""
        with self._lock:
            return self._intents.get(intent_id)

    def product(self, session_id: str) -> str:
        """What the session sells, by its first line."""
        with self._lock:
            line = next(iter(self._parameters[session_id]["line_items"].values()))
            return str(line.get("price_data", {}).get("product_data", {}).get("name", "Product"))

    def pay(self, session_id: str, *, delayed: bool = False) -> Object | None:
        """Complete an open session; returns its event, or None if it is not open."""
        with self._lock:
            session = self._sessions[session_id]
            if session["status"] != "open":
                return None
            if session["amount_total"] > 0:
                intent_id = self.new_id("pi_")
                data = self._parameters[session_id].get("payment_intent_data", {})
                status = "processing" if delayed else "succeeded"
                metadata = data.get("metadata", {})
                self._intents[intent_id] = payment_intent(intent_id, session, metadata=metadata, status=status)
                session["payment_intent"] = intent_id
            if delayed:
                self._awaited.add(session_id)
            session["status"] = "complete"
            session["url"] = None
            paid = "paid" if session["amount_total"] else "no_payment_required"
            session["payment_status"] = "unpaid" if delayed else paid
            return self._tell("checkout.session.completed", session)

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive; returns the event."""
        with self._lock:
            session = self._sessions[session_id]
            self._awaited.discard(session_id)
            session["payment_status"] = "paid"
            return self._tell("checkout.session.async_payment_succeeded", session)

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail; returns the event."""
        with self._lock:
            self._awaited.discard(session_id)
            return self._tell("checkout.session.async_payment_failed", self._sessions[session_id])

    def is_awaited(self, session_id: str) -> bool:
        """Whether a delayed payment of the session is under way."""
        with self._lock:
            return session_id in self._awaited

    def expire(self, session_id: str) -> Object:
        """Let an open session expire; returns the event.

        :raises Refusal: if it is not open.
        """
        with self._lock:
            session = self._sessions[session_id]
            if session["status"] != "open":
                raise invalid("Only open sessions can be expired.", "session")
            session["status"] = "expired"
            session["url"] = None
            return self._tell("checkout.session.expired", session)

    def twin(self, original: Object) -> Object:
        """Another event of the same content, as Stripe makes now and then."""
        with self._lock:
            return self._tell(original["type"], original["data"]["object"])

    def _tell(self, kind: str, subject: Object) -> Object:
        told = event(self.new_id("evt_"), kind, dict(subject), created=int(time.time()))
        self.events.append(told)
        return told


def _priced(parameters: Mapping[str, Any]) -> tuple[int, str]:
    for name in parameters:
        if name not in _CHECKOUT_PARAMETERS:
            raise invalid(f"Received unknown parameter: {name}", name, code="parameter_unknown")
    for name in ("mode", "success_url", "line_items"):
        if not parameters.get(name):
            raise invalid(f"Missing required param: {name}.", name, code="parameter_missing")
    if parameters["mode"] not in {"payment", "subscription", "setup"}:
        raise invalid("Invalid mode.", "mode")
    if parameters.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("Invalid ui_mode: must be hosted_page here.", "ui_mode")
    if any(len(key) > 40 or len(value) > 500 for key, value in parameters.get("metadata", {}).items()):
        raise invalid("Metadata keys have up to 40 characters, values up to 500.", "metadata")
    total, currency = 0, ""
    for line in parameters["line_items"].values():
        price = line.get("price_data", {})
        currency = str(price.get("currency", "")).lower()
        amount, quantity = str(price.get("unit_amount", "")), str(line.get("quantity", "1"))
        if currency not in CURRENCIES:
            raise invalid(f"Invalid currency: {currency}.", "line_items[0][price_data][currency]")
        if not amount.isdecimal() or not quantity.isdecimal():
            raise invalid("Invalid non-negative integer", "line_items[0][price_data][unit_amount]")
        total += int(amount) * int(quantity)
    return total, currency
