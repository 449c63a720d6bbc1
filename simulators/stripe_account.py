"""One simulated Stripe account: its checkout sessions, payments and events. No HTTP here."""

import copy
import random
import string
import threading
import time

import attrs

from simulators.stripe_objects import API_VERSION, Object, checkout_session, customer_details, event, payment_intent
from simulators.stripe_orders import Order
from simulators.stripe_refusals import declined, invalid, missing

METHODS = ("card", "delayed", "decline")


@attrs.define(kw_only=True)
class _Checkout:
    order: Order
    session: Object
    api_version: str
    intent: Object | None = None


class StripeAccount:
    """The state behind the stand-in's API and pages; every method is one indivisible step.

    With a seed its ids are the same in every run. Sessions and intents that it returns are copies.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._checkouts: dict[str, _Checkout] = {}
        self._by_intent: dict[str, _Checkout] = {}
        self.events: list[Object] = []

    def new_id(self, prefix: str) -> str:
        """An id of Stripe's kind."""
        letters = string.ascii_letters + string.digits
        with self._lock:
            return prefix + "".join(self._random.choice(letters) for _ in range(24))

    def create_session(self, order: Order, page: str, *, api_version: str = API_VERSION) -> Object:
        """A new session, paid on a page below the address `page`; its events will be of this API version."""
        with self._lock:
            session_id = self.new_id("cs_test_")
            session = checkout_session(
                session_id,
                created=int(time.time()),
                url=f"{page}/c/pay/{session_id}",
                mode=order.mode,
                amount_subtotal=order.amount,
                amount_total=order.amount,
                currency=order.currency,
                success_url=order.success_url,
                cancel_url=order.cancel_url,
                client_reference_id=order.client_reference_id,
                customer_email=order.customer_email,
                allow_promotion_codes=order.allow_promotion_codes,
                invoice_creation={"enabled": order.creates_invoice} if order.mode == "payment" else None,
                metadata=dict(order.metadata),
            )
            self._checkouts[session_id] = _Checkout(order=order, session=session, api_version=api_version)
            return copy.deepcopy(session)

    def session(self, session_id: str) -> Object | None:
        """A session as it is now."""
        with self._lock:
            found = self._checkouts.get(session_id)
            return copy.deepcopy(found.session) if found else None

    def sessions(self) -> list[Object]:
        """Every session, newest first."""
        with self._lock:
            return [copy.deepcopy(checkout.session) for checkout in reversed(self._checkouts.values())]

    def intent(self, intent_id: str) -> Object | None:
        """A payment intent as it is now."""
        with self._lock:
            found = self._by_intent.get(intent_id)
            return copy.deepcopy(found.intent) if found else None

    def event(self, event_id: str) -> Object | None:
        """An event as it was told."""
        return next((told for told in tuple(self.events) if told["id"] == event_id), None)

    def product(self, session_id: str) -> str:
        """What the session sells."""
        with self._lock:
            return self._checkout(session_id).order.product

    def pay(self, session_id: str, method: str = "card") -> Object:
        """Complete an open session by one of METHODS; returns the event.

        :raises Refusal: if it is not open, or the card is declined.
        """
        with self._lock:
            checkout = self._checkout(session_id)
            session = checkout.session
            if session["status"] != "open":
                raise invalid("Only open sessions can be paid.", "session")
            if method not in METHODS:
                raise invalid(f"Invalid method: must be one of {', '.join(METHODS)}", "method")
            if method == "decline":
                raise declined()
            costs = session["amount_total"] > 0
            arrives_later = method == "delayed" and costs and session["mode"] == "payment"
            if session["mode"] == "subscription":
                session["subscription"], session["invoice"] = self.new_id("sub_"), self.new_id("in_")
                session["customer"] = self.new_id("cus_")
            elif costs:
                self._start_payment(checkout, charge_id=None if arrives_later else self.new_id("ch_"))
            paid = "paid" if costs else "no_payment_required"
            session["payment_status"] = "unpaid" if arrives_later else paid
            session["customer_details"] = customer_details(session["customer_email"])
            session["status"], session["url"] = "complete", None
            return self._tell("checkout.session.completed", session, checkout.api_version)

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive; returns the event.

        :raises Refusal: if none is on its way.
        """
        with self._lock:
            checkout, intent = self._on_its_way(session_id)
            intent["status"], intent["amount_received"] = "succeeded", intent["amount"]
            intent["latest_charge"] = self.new_id("ch_")
            checkout.session["payment_status"] = "paid"
            return self._tell("checkout.session.async_payment_succeeded", checkout.session, checkout.api_version)

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail; returns the event.

        :raises Refusal: if none is on its way.
        """
        with self._lock:
            checkout, intent = self._on_its_way(session_id)
            intent["status"] = "requires_payment_method"
            return self._tell("checkout.session.async_payment_failed", checkout.session, checkout.api_version)

    def is_awaited(self, session_id: str) -> bool:
        """Whether a delayed payment of the session is under way."""
        with self._lock:
            intent = self._checkout(session_id).intent
            return intent is not None and intent["status"] == "processing"

    def expire(self, session_id: str) -> Object:
        """Let an open session expire; returns the event.

        :raises Refusal: if it is not open.
        """
        with self._lock:
            checkout = self._checkout(session_id)
            if checkout.session["status"] != "open":
                raise invalid("Only open sessions can be expired.", "session")
            checkout.session["status"], checkout.session["url"] = "expired", None
            return self._tell("checkout.session.expired", checkout.session, checkout.api_version)

    def twin(self, original: Object) -> Object:
        """Another event of the same content, as Stripe makes now and then."""
        return self._tell(original["type"], original["data"]["object"], original["api_version"])

    def _checkout(self, session_id: str) -> _Checkout:
        found = self._checkouts.get(session_id)
        if found is None:
            raise missing("checkout.session", session_id)
        return found

    def _start_payment(self, checkout: _Checkout, *, charge_id: str | None) -> None:
        intent_id = self.new_id("pi_")
        checkout.intent = payment_intent(
            intent_id,
            checkout.session,
            created=int(time.time()),
            metadata=checkout.order.intent_metadata,
            charge_id=charge_id,
        )
        checkout.session["payment_intent"] = intent_id
        self._by_intent[intent_id] = checkout

    def _on_its_way(self, session_id: str) -> tuple[_Checkout, Object]:
        checkout = self._checkout(session_id)
        if checkout.intent is None or not self.is_awaited(session_id):
            raise invalid("No payment of this session is on its way.", "session")
        return checkout, checkout.intent

    def _tell(self, kind: str, subject: Object, api_version: str) -> Object:
        with self._lock:
            now = int(time.time())
            told = event(self.new_id("evt_"), kind, copy.deepcopy(subject), created=now, api_version=api_version)
            self.events.append(told)
            return told
