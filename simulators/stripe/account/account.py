"""One simulated Stripe account: its checkout sessions, payments, clock and events. No HTTP here."""

import copy
import random
import string
import threading
import time
from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stripe.account.balances import StripeBalances
from simulators.stripe.account.billing import StripeBilling
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.credit_notes import StripeCreditNotes
from simulators.stripe.account.orders import Order, ordered_prices
from simulators.stripe.account.reversals import StripeReversals
from simulators.stripe.account.shapes import charge, shown
from simulators.stripe.objects import (
    API_VERSION,
    Object,
    checkout_session,
    customer,
    customer_details,
    event,
    line_item,
    payment_intent,
)
from simulators.stripe.requests.refusals import declined, invalid, missing

METHODS = ("card", "delayed", "decline")
_UNPAID = {"status": "requires_payment_method", "amount_received": 0, "latest_charge": None}


@attrs.define(kw_only=True)
class _Checkout:
    order: Order
    session: Object
    api_version: str
    items: list[tuple[str, int]]
    """The prices that are ordered, each so many times."""
    intent: Object | None = None


class StripeAccount:
    """The state behind the stand-in's API and pages; every method is one indivisible step.

    With a seed its ids are the same in every run. What it returns are copies, but for events. With an `api_version`
    all its events are of that version, else those of a session are of the version that the session was made with.
    With a moment as `now` its time stands still, but for what is let pass. With `reports_steps` a checkout and a
    renewal also make the events that change no credits, as Stripe does.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        api_version: str | None = None,
        now: int | None = None,
        reports_steps: bool = False,
    ) -> None:
        self.api_version = api_version
        self.reports_steps = reports_steps
        self.lock = threading.RLock()
        self.balances = StripeBalances(self)
        self.billing = StripeBilling(self)
        self.collecting = StripeCollecting(self)
        self.credit_notes = StripeCreditNotes(self)
        self.reversals = StripeReversals(self)
        self.endpoints: list[Object] = []
        self._random = random.Random(seed)
        self._stands_at = now
        self._ahead = 0
        self._checkouts: dict[str, _Checkout] = {}
        self._by_intent: dict[str, _Checkout] = {}
        self._kept: dict[str, dict[str, Object]] = {}
        self._newest: dict[str, Object] = {}
        self.events: list[Object] = []

    def now(self) -> int:
        """The account's own time, in seconds since 1970: the real one, and what was let pass."""
        return self._began() + self._ahead

    def set_clock(self, moment: int) -> None:
        """Let it be that moment now; time goes on from there."""
        self._ahead = moment - self._began()

    def keep(self, made: Object) -> None:
        """Let an object exist."""
        self._kept.setdefault(made["object"], {})[made["id"]] = made

    def forget(self, kind: str, gone: str) -> None:
        """Let an object be no more."""
        del self._kept[kind][gone]

    def kept(self, kind: str, wanted: str) -> Object:
        """An object as it is kept, to be changed under the lock.

        :raises Refusal: if there is none of that id.
        """
        found = self._kept.get(kind, {}).get(wanted)
        if found is None:
            raise missing(kind, wanted)
        return found

    def all_kept(self, kind: str) -> list[Object]:
        """Every object of a kind as it is kept, oldest first."""
        return list(self._kept.get(kind, {}).values())

    def shown(self, kept: Object, version: str | None = None) -> Object:
        """A copy of an object in the shape of a version, the account's own if none is named."""
        with self.lock:
            return copy.deepcopy(shown(kept, version or self.api_version or API_VERSION))

    def new_customer(self, email: str | None = None) -> str:
        """A customer whom no event tells of; gives the id."""
        with self.lock:
            made = customer(self.new_id("cus_"), created=self.now(), email=email)
            self.keep(made)
            return str(made["id"])

    def new_intent(
        self, amount: int, currency: str, *, metadata: dict[str, str], customer_id: str | None = None
    ) -> Object:
        """A payment that succeeds, without a checkout."""
        session = {
            "amount_total": amount,
            "currency": currency,
            "payment_method_types": ["card"],
            "customer_email": None,
        }
        intent = payment_intent(
            self.new_id("pi_"), session, created=self.now(), metadata=metadata, charge_id=self.new_id("ch_")
        )
        intent["customer"] = customer_id
        self.keep(intent)
        self.step("payment_intent.created", intent, **_UNPAID)
        return intent

    def add_endpoint(self, parameters: Mapping[str, Any]) -> Object:
        """A webhook endpoint as it is shown; nothing is delivered to it.

        :raises Refusal: if it has no address or no events.
        """
        events = parameters.get("enabled_events") or {}
        if not parameters.get("url") or not isinstance(events, Mapping) or not events:
            raise invalid("Missing required param: url or enabled_events.", "url", code="parameter_missing")
        made: Object = {
            "id": self.new_id("we_"),
            "object": "webhook_endpoint",
            "api_version": parameters.get("api_version"),
            "application": None,
            "created": self.now(),
            "description": None,
            "enabled_events": sorted(str(event) for event in events.values()),
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": str(parameters["url"]),
        }
        self.endpoints.append(made)
        return dict(made)

    def report(self, kind: str, subject: Object) -> Object:
        """A new event about an object as it is now."""
        version = self.api_version or API_VERSION
        given = self._report(kind, self.shown(subject, version), version)
        if version != API_VERSION:
            self._newest[given["id"]] = self.shown(subject, API_VERSION)
        return given

    def newest(self, fields: Object) -> Object:
        """An event as the newest version of the API tells it."""
        subject = self._newest.get(fields["id"], fields["data"]["object"])
        return fields | {"api_version": API_VERSION, "data": fields["data"] | {"object": subject}}

    def step(self, kind: str, subject: Object, **then: Any) -> None:
        """An event of a step on the way, told only where every step is; `then` is what was still otherwise."""
        if self.reports_steps:
            self.report(kind, subject | then)

    def new_id(self, prefix: str) -> str:
        """An id of Stripe's kind."""
        letters = string.ascii_letters + string.digits
        with self.lock:
            return prefix + "".join(self._random.choice(letters) for _ in range(24))

    def create_session(self, order: Order, page: str, *, api_version: str = API_VERSION) -> Object:
        """A new session, paid on a page below the address `page`; its events will be of this API version."""
        with self.lock:
            session_id = self.new_id("cs_test_")
            session = checkout_session(
                session_id,
                created=self.now(),
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
                payment_method_types=list(order.method_types),
            )
            self._checkouts[session_id] = _Checkout(
                order=order, session=session, api_version=api_version, items=ordered_prices(self, order)
            )
            return copy.deepcopy(session)

    def session(self, session_id: str) -> Object | None:
        """A session as it is now."""
        with self.lock:
            found = self._checkouts.get(session_id)
            return copy.deepcopy(found.session) if found else None

    def line_items(self, session_id: str) -> list[Object]:
        """What a session sells, item by item.

        :raises Refusal: if there is no such session.
        """
        with self.lock:
            items = self._checkout(session_id).items
            return [
                line_item(f"li_{session_id[8:]}{place}", self.kept("price", price_id), quantity)
                for place, (price_id, quantity) in enumerate(items)
            ]

    def sessions(self) -> list[Object]:
        """Every session, newest first."""
        with self.lock:
            return [copy.deepcopy(checkout.session) for checkout in reversed(self._checkouts.values())]

    def intent(self, intent_id: str) -> Object | None:
        """A payment intent as it is now."""
        with self.lock:
            found = self._by_intent.get(intent_id)
            return self.shown(found.intent) if found and found.intent else None

    def event(self, event_id: str) -> Object | None:
        """An event as it was told."""
        return next((one for one in tuple(self.events) if one["id"] == event_id), None)

    def product(self, session_id: str) -> str:
        """What the session sells."""
        with self.lock:
            return self._checkout(session_id).order.product

    def pay(self, session_id: str, method: str = "card", *, email: str | None = None) -> Object:
        """Complete an open session by one of METHODS; returns the event.

        The customer may tell an email address of their own where the session has none.

        :raises Refusal: if it is not open, or the card is declined.
        """
        with self.lock:
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
            session["customer_details"] = customer_details(session["customer_email"] or email)
            session["status"], session["url"] = "complete", None
            paid = "paid" if costs else "no_payment_required"
            session["payment_status"] = "unpaid" if arrives_later else paid
            if session["mode"] == "subscription":
                self._begin_subscription(checkout)
            elif costs:
                self._start_payment(checkout, charge_id=None if arrives_later else self.new_id("ch_"))
            return self._report("checkout.session.completed", session, self._version(checkout))

    def settle(self, session_id: str) -> Object:
        """Let a delayed payment arrive; returns the event.

        :raises Refusal: if none is on its way.
        """
        with self.lock:
            checkout, intent = self._on_its_way(session_id)
            intent["status"], intent["amount_received"] = "succeeded", intent["amount"]
            intent["latest_charge"] = self.new_id("ch_")
            checkout.session["payment_status"] = "paid"
            self._collect(checkout, intent)
            return self._report("checkout.session.async_payment_succeeded", checkout.session, self._version(checkout))

    def fail(self, session_id: str) -> Object:
        """Let a delayed payment fail; returns the event.

        :raises Refusal: if none is on its way.
        """
        with self.lock:
            checkout, intent = self._on_its_way(session_id)
            intent["status"] = "requires_payment_method"
            self.step("payment_intent.payment_failed", intent)
            return self._report("checkout.session.async_payment_failed", checkout.session, self._version(checkout))

    def is_awaited(self, session_id: str) -> bool:
        """Whether a delayed payment of the session is under way."""
        with self.lock:
            intent = self._checkout(session_id).intent
            return intent is not None and intent["status"] == "processing"

    def expire(self, session_id: str) -> Object:
        """Let an open session expire; returns the event.

        :raises Refusal: if it is not open.
        """
        with self.lock:
            checkout = self._checkout(session_id)
            if checkout.session["status"] != "open":
                raise invalid("Only open sessions can be expired.", "session")
            checkout.session["status"], checkout.session["url"] = "expired", None
            return self._report("checkout.session.expired", checkout.session, self._version(checkout))

    def twin(self, original: Object) -> Object:
        """Another event of the same content, as Stripe makes now and then."""
        return self._report(original["type"], original["data"]["object"], original["api_version"])

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
            created=self.now(),
            metadata=checkout.order.intent_metadata,
            charge_id=charge_id,
        )
        checkout.session["payment_intent"] = intent_id
        self.keep(checkout.intent)
        self._by_intent[intent_id] = checkout
        self.step("payment_intent.created", checkout.intent, **_UNPAID)
        if charge_id is not None:
            self._collect(checkout, checkout.intent)
        else:
            self.step("payment_intent.processing", checkout.intent)

    def _collect(self, checkout: _Checkout, intent: Object) -> None:
        """The money is there: a charge, and the invoice where one is wanted."""
        if checkout.order.creates_invoice:
            order = checkout.order
            self.collecting.bill_once(checkout.items, order.currency, intent, order.invoice_metadata)
            checkout.session["invoice"] = intent["_invoice"]
            return
        paid = charge(intent["latest_charge"], intent, created=self.now(), invoice=None)
        self.keep(paid)
        self.step("charge.succeeded", paid)
        self.step("payment_intent.succeeded", intent)

    def _begin_subscription(self, checkout: _Checkout) -> None:
        session, order = checkout.session, checkout.order
        session["customer"] = self.new_customer(session["customer_details"]["email"])
        _, subscription, bill = self.billing.subscribe(
            session["customer"],
            checkout.items,
            metadata=order.subscription_metadata,
            trial_days=order.trial_days,
        )
        session["subscription"], session["invoice"] = subscription["id"], bill["id"]

    def _began(self) -> int:
        return int(time.time()) if self._stands_at is None else self._stands_at

    def _version(self, checkout: _Checkout) -> str:
        return self.api_version or checkout.api_version

    def _on_its_way(self, session_id: str) -> tuple[_Checkout, Object]:
        checkout = self._checkout(session_id)
        if checkout.intent is None or not self.is_awaited(session_id):
            raise invalid("No payment of this session is on its way.", "session")
        return checkout, checkout.intent

    def _report(self, kind: str, subject: Object, api_version: str) -> Object:
        with self.lock:
            given = event(
                self.new_id("evt_"), kind, copy.deepcopy(subject), created=self.now(), api_version=api_version
            )
            self.events.append(given)
            return given
