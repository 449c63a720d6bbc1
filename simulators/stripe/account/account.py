"""One simulated Stripe account: its checkout sessions and how they are paid, and its other parts. No HTTP here."""

import copy

import attrs

from simulators.stripe.account.balances import StripeBalances
from simulators.stripe.account.billing import StripeBilling
from simulators.stripe.account.books import UNPAID, Books
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.coupons import redeemable
from simulators.stripe.account.credit_notes import StripeCreditNotes
from simulators.stripe.account.prices import ordered_prices
from simulators.stripe.account.reversals import StripeReversals
from simulators.stripe.account.shapes import charge
from simulators.stripe.objects import API_VERSION, Object, customer_details, payment_intent
from simulators.stripe.ordering.carts import Cart
from simulators.stripe.ordering.orders import Order
from simulators.stripe.ordering.sessions import new_cart, new_session
from simulators.stripe.requests.refusals import declined, invalid, missing

METHODS = ("card", "delayed", "decline")


@attrs.define(kw_only=True)
class _Checkout:
    order: Order
    session: Object
    api_version: str
    cart: Cart
    intent: Object | None = None


class StripeAccount(Books):
    """The state behind the stand-in's API and pages: the books, and all that happens to what is in them.

    With an `api_version` all its events are of that version, else those of a session are of the version that the
    session was made with.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        api_version: str | None = None,
        now: int | None = None,
        reports_steps: bool = False,
    ) -> None:
        super().__init__(seed=seed, api_version=api_version, now=now, reports_steps=reports_steps)
        self.reversals = StripeReversals(self)
        self.balances = StripeBalances(self, self.reversals)
        self.collecting = StripeCollecting(self, self.balances)
        self.billing = StripeBilling(self, self.collecting)
        self.credit_notes = StripeCreditNotes(self, self.balances, self.collecting, self.reversals)
        self._checkouts: dict[str, _Checkout] = {}
        self._by_intent: dict[str, _Checkout] = {}

    def create_session(self, order: Order, page: str, *, api_version: str = API_VERSION) -> Object:
        """Return a new session, paid on a page below the address `page`; its events will be of this API version."""
        with self.lock:
            buyer = self.buyer(order.customer)
            session_id = self.new_id("cs_test_")
            items = [(self.kept("price", price_id), quantity) for price_id, quantity in ordered_prices(self, order)]
            cart = new_cart(order, items)
            session = new_session(order, session_id, f"{page}/c/pay/{session_id}", self.now(), buyer) | cart.totals
            self._checkouts[session_id] = _Checkout(order=order, session=session, api_version=api_version, cart=cart)
            return copy.deepcopy(session)

    def session(self, session_id: str) -> Object | None:
        """Return a session as it is now."""
        with self.lock:
            found = self._checkouts.get(session_id)
            return copy.deepcopy(found.session) if found else None

    def line_items(self, session_id: str) -> list[Object]:
        """Return what a session sells, item by item.

        :raises Refusal: if there is no such session.
        """
        with self.lock:
            return self._checkout(session_id).cart.line_items(session_id)

    def sessions(self) -> list[Object]:
        """Return every session, newest first."""
        with self.lock:
            return [copy.deepcopy(checkout.session) for checkout in reversed(self._checkouts.values())]

    def intent(self, intent_id: str) -> Object | None:
        """Return a payment intent as it is now."""
        with self.lock:
            found = self._by_intent.get(intent_id)
            return self.shown(found.intent) if found and found.intent else None

    def product(self, session_id: str) -> str:
        """Return what the session sells."""
        with self.lock:
            return self._checkout(session_id).order.product

    def change_order(self, session_id: str, *, code: str | None = None, quantity: int | None = None) -> None:
        """Let the customer enter a promotion code on the page of an open session, or change the quantity.

        :raises Refusal: if the session takes none, there is no such code that still counts, or the quantity is fixed.
        """
        with self.lock:
            checkout = self._open(session_id)
            if code is not None:
                checkout.session["discounts"] = checkout.cart.redeem(*redeemable(self, code, checkout.session))
            if quantity is not None:
                checkout.cart.adjust(quantity)
            checkout.session |= checkout.cart.totals

    def pay(self, session_id: str, method: str = "card", *, email: str | None = None) -> Object:
        """Complete an open session by one of METHODS; returns the event.

        The customer may tell an email address of their own where the session has none.

        :raises Refusal: if it is not open, or the card is declined.
        """
        with self.lock:
            checkout = self._open(session_id)
            session = checkout.session
            if method not in METHODS:
                raise invalid(f"Invalid method: must be one of {', '.join(METHODS)}", "method")
            if method == "decline":
                raise declined()
            costs = session["amount_total"] > 0
            arrives_later = method == "delayed" and costs and session["mode"] == "payment"
            session["customer_details"] = customer_details(self.address_of(session) or email)
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
        """Return whether a delayed payment of the session is under way."""
        with self.lock:
            intent = self._checkout(session_id).intent
            return intent is not None and intent["status"] == "processing"

    def expire(self, session_id: str) -> Object:
        """Let an open session expire; returns the event.

        :raises Refusal: if it is not open.
        """
        with self.lock:
            checkout = self._open(session_id)
            checkout.session["status"], checkout.session["url"] = "expired", None
            return self._report("checkout.session.expired", checkout.session, self._version(checkout))

    def _open(self, session_id: str) -> _Checkout:
        found = self._checkout(session_id)
        if found.session["status"] != "open":
            raise invalid("Only open sessions can be paid, changed or expired.", "session")
        return found

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
        self.step("payment_intent.created", checkout.intent, **UNPAID)
        if charge_id is not None:
            if (usage := checkout.order.future_usage) is not None and checkout.intent["customer"] is not None:
                self.save_card(checkout.intent, usage)
            self._collect(checkout, checkout.intent)
        else:
            self.step("payment_intent.processing", checkout.intent)

    def _collect(self, checkout: _Checkout, intent: Object) -> None:
        """Take the money: make a charge, and the invoice where one is wanted."""
        if checkout.order.creates_invoice:
            order = checkout.order
            self.collecting.bill_once(
                checkout.cart.ordered,
                order.currency,
                intent,
                order.invoice_metadata,
                coupon=checkout.cart.used_coupon(),
                is_taxed=order.options.is_taxed,
            )
            checkout.session["invoice"] = intent["_invoice"]
            return
        paid = charge(intent["latest_charge"], intent, created=self.now(), invoice=None)
        self.keep(paid)
        self.step("charge.succeeded", paid)
        self.step("payment_intent.succeeded", intent)

    def _begin_subscription(self, checkout: _Checkout) -> None:
        session, order = checkout.session, checkout.order
        session["customer"] = session["customer"] or self.new_customer(session["customer_details"]["email"])
        _, subscription, bill = self.billing.subscribe(
            session["customer"],
            checkout.cart.ordered,
            metadata=order.subscription_metadata,
            trial_days=order.trial_days,
            coupon=checkout.cart.used_coupon(),
            is_taxed=order.options.is_taxed,
        )
        session["subscription"], session["invoice"] = subscription["id"], bill["id"]

    def _version(self, checkout: _Checkout) -> str:
        return self.api_version or checkout.api_version

    def _on_its_way(self, session_id: str) -> tuple[_Checkout, Object]:
        checkout = self._checkout(session_id)
        if checkout.intent is None or not self.is_awaited(session_id):
            raise invalid("No payment of this session is on its way.", "session")
        return checkout, checkout.intent
