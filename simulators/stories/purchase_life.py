"""Plays one-time purchases on a simulated Stripe account, and what takes the money back: refunds and disputes."""

import json
import uuid
from collections.abc import Iterable

from simulators.stories.acts import (
    Act,
    Bought,
    Disputed,
    DisputeEased,
    DisputeEnded,
    Paid,
    PaymentFailed,
    Refunded,
    RefundFailed,
)
from simulators.stories.customers import Customer, Payment, Plan
from simulators.stories.events import Event
from simulators.stories.kept_bills import CREDITS_KEY, PLAN_KEY
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.account.shapes import charge
from simulators.stripe.objects import API_VERSION, Object
from simulators.stripe.ordering.orders import Order, OrderedItem

PAGE = "https://checkout.stripe.test"
SHOP = "https://shop.test"
PUSHED_KEY = "credence_pushed"
"""Metadata of a price that was pushed."""


class PurchaseLife:
    """A Stripe account, what was bought on it and given back, and in what order; the same seed does the same.

    With `invoices` every one-time sale has its paper, as the service's own sessions do.
    """

    def __init__(
        self, plans: Iterable[Plan], *, seed: int, now: int, api_version: str | None = None, invoices: bool = True
    ) -> None:
        self.plans = tuple(plans)
        self.account = StripeAccount(seed=seed, api_version=api_version, now=now)
        self.acts: list[Act] = []
        self._invoices = invoices
        self._prices: dict[str, str] = {}
        self.charged: list[Object] = []
        """The payments with saved cards, as Stripe answers the requests for them."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Return every event so far, in the order in which they were made."""
        return tuple(Event(body=json.dumps(event, indent=2)) for event in self.account.events)

    @property
    def prices(self) -> tuple[Object, ...]:
        """Return the prices of what recurs, or was pushed, as Stripe reports them."""
        every = self.account.all_kept("price")
        return tuple(dict(price) for price in every if price["recurring"] or price["metadata"].get(PUSHED_KEY))

    def price(self, plan: Plan) -> str:
        """Return the id of a plan's price on the account."""
        if plan.id not in self._prices:
            self._prices[plan.id] = self.account.billing.price(
                plan.price, plan.interval or "month", currency=plan.currency, metadata={PLAN_KEY: plan.id}
            )
        return self._prices[plan.id]

    def push(self, plan: Plan) -> str:
        """Let the merchant push a plan on these terms: another price for new sales, and the one before is archived.

        Gives the price's id.
        """
        product, marks = f"credence_{plan.id}", {PLAN_KEY: plan.id, CREDITS_KEY: str(plan.credits), PUSHED_KEY: "yes"}
        with self.account.lock:
            if not self.account.has("product", product):
                new_product(self.account, plan.id, id=product)
            for older in self.account.all_kept("price"):
                if older["product"] == product:
                    older |= {"active": False, "lookup_key": None}
            recurs = recurring(plan.interval or "month") if plan.mode == "subscription" else None
            made = new_price(self.account, plan.price, plan.currency, product=product, recurring=recurs, metadata=marks)
            made["lookup_key"] = f"credence_{plan.id}_{plan.currency}"
            self.account.kept("product", product)["default_price"] = made["id"]
        self._prices[plan.id] = made["id"]
        return str(made["id"])

    def charge(self, customer: Customer, plan: Plan) -> Payment:
        """Let the service charge a customer's saved card for a plan, off session."""
        payer = self.account.new_customer(customer.email)
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, self.account.new_id("")))
        metadata = {**metadata_of(customer, plan), "credence_charge": name}
        intent = self.account.new_intent(plan.price, plan.currency, metadata=metadata, customer_id=payer)
        self.account.keep(charge(intent["latest_charge"], intent, created=self.account.now(), invoice=None))
        self.account.report("payment_intent.succeeded", intent)
        self.charged.append(self.account.shown(intent))
        bought = Bought(customer=customer.user_id, payment=intent["id"], credits=plan.credits, amount=plan.price)
        self.acts += [bought, Paid(payment=intent["id"])]
        return Payment(id=intent["id"], amount=plan.price, intent=intent["id"])

    def buy(self, customer: Customer, plan: Plan, *, method: str = "card") -> Payment:
        """Let a customer buy a plan once, by one of the stand-in's methods."""
        session_id = self._open(customer, plan)
        self.account.pay(session_id, method)
        paid = self.account.session(session_id) or {}
        intent = paid["payment_intent"]
        payment = Payment(id=intent or session_id, amount=plan.price, intent=intent, session=session_id)
        self.acts.append(
            Bought(customer=customer.user_id, payment=payment.id, credits=plan.credits, amount=payment.amount)
        )
        if paid["payment_status"] != "unpaid":
            self.acts.append(Paid(payment=payment.id))
        return payment

    def abandon(self, customer: Customer, plan: Plan) -> None:
        """Let a customer open a checkout, and not pay before it expires."""
        self.account.expire(self._open(customer, plan))

    def settle(self, payment: Payment) -> None:
        """Let a delayed payment arrive."""
        self.account.settle(payment.session or "")
        self.acts.append(Paid(payment=payment.id))

    def fail(self, payment: Payment) -> None:
        """Let a delayed payment fail."""
        self.account.fail(payment.session or "")
        self.acts.append(PaymentFailed(payment=payment.id))

    def refund(self, payment: Payment, amount: int | None = None, *, status: str = "succeeded") -> str:
        """Refund a payment, all that is left or a part; gives the refund's id."""
        made = self.account.reversals.refund(payment.intent or "", amount, status=status)[0]["data"]["object"]
        self.acts.append(Refunded(payment=payment.id, refund=made["id"], amount=made["amount"]))
        return str(made["id"])

    def settle_refund(self, refund: str) -> None:
        """Let a pending refund succeed."""
        self.account.reversals.settle_refund(refund)

    def fail_refund(self, refund: str) -> None:
        """Let a refund fail."""
        self.account.reversals.fail_refund(refund)
        self.acts.append(RefundFailed(refund=refund))

    def cancel_refund(self, refund: str) -> None:
        """Cancel a pending refund."""
        self.account.reversals.cancel_refund(refund)
        self.acts.append(RefundFailed(refund=refund))

    def dispute(self, payment: Payment, amount: int | None = None) -> str:
        """Let the customer's bank take money away; gives the dispute's id."""
        made = self.account.reversals.dispute(payment.intent or "", amount)[0]["data"]["object"]
        self.acts.append(Disputed(payment=payment.id, dispute=made["id"], amount=made["amount"]))
        return str(made["id"])

    def inquire(self, payment: Payment) -> str:
        """Let the customer's bank ask about a payment, which takes nothing; gives the dispute's id."""
        made = self.account.reversals.dispute(payment.intent or "", inquiry=True)[0]["data"]["object"]
        return str(made["id"])

    def escalate(self, payment: Payment, dispute: str) -> None:
        """Let an inquiry become a dispute, which takes the money away."""
        made = self.account.reversals.escalate(dispute)[0]["data"]["object"]
        self.acts.append(Disputed(payment=payment.id, dispute=dispute, amount=made["amount"]))

    def respond(self, dispute: str) -> None:
        """Hand in evidence."""
        self.account.reversals.respond(dispute)

    def close_dispute(self, dispute: str, status: str) -> None:
        """Decide a dispute: `won`, `lost` or `prevented`; an inquiry becomes `warning_closed`."""
        self.account.reversals.close_dispute(dispute, status)
        self.acts.append(DisputeEnded(dispute=dispute, money_is_back=status != "lost"))

    def reinstate(self, dispute: str, amount: int) -> None:
        """Let a part of a dispute's money come back, though it is not decided."""
        self.account.reversals.reinstate(dispute, amount)
        self.acts.append(DisputeEased(dispute=dispute, amount=amount))

    def away(self, dispute: str) -> int:
        """Return how much of a dispute is with the bank."""
        return int(self.account.kept("dispute", dispute)["_away"])

    def _open(self, customer: Customer, plan: Plan) -> str:
        metadata = metadata_of(customer, plan)
        is_once = plan.mode == "payment"
        made = {**metadata, "credence_session": "yes"} if is_once else {}
        order = Order(
            mode=plan.mode,
            amount=plan.price,
            currency=plan.currency,
            product=plan.id,
            success_url=f"{SHOP}/thanks",
            cancel_url=f"{SHOP}/pricing",
            customer_email=customer.email,
            client_reference_id=customer.user_id,
            allow_promotion_codes=None,
            creates_invoice=self._invoices and is_once,
            metadata=metadata,
            intent_metadata=made,
            invoice_metadata=made,
            subscription_metadata={} if is_once else metadata,
            interval=plan.interval or "month",
            items=() if is_once else (self._item(plan),),
        )
        version = self.account.api_version or API_VERSION
        return str(self.account.create_session(order, PAGE, api_version=version)["id"])

    def _item(self, plan: Plan) -> OrderedItem:
        return OrderedItem(unit_amount=plan.price, quantity=1, product=plan.id, price=self.price(plan))


def metadata_of(customer: Customer, plan: Plan) -> dict[str, str]:
    """Return the metadata of a sale, as the service writes it: the user, the plan, and its terms."""
    return {
        "userId": customer.user_id,
        "userEmail": customer.email,
        "plan": plan.id,
        "credence_terms": f"{plan.credits}/{plan.price}/{plan.currency}",
    }
