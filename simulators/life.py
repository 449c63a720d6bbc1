"""Customers' lives on a simulated Stripe account: each thing that is done is remembered, and makes its events."""

import json
import uuid
from collections.abc import Iterable

import attrs

from simulators.acts import Act, Bought, Disputed, DisputeEnded, Paid, PaymentFailed, Refunded, RefundFailed
from simulators.schedules import Event
from simulators.stripe_account import StripeAccount
from simulators.stripe_objects import API_VERSION, Object
from simulators.stripe_orders import Order

PAGE = "https://checkout.stripe.test"
SHOP = "https://shop.test"
HOUR = 60 * 60
DAY = 24 * HOUR


@attrs.frozen(kw_only=True)
class Plan:
    """What is for sale, as `GET /plans` shows it."""

    id: str
    credits: int
    price: int
    currency: str
    mode: str = "payment"
    interval: str | None = None


@attrs.frozen
class Customer:
    """A user of the service."""

    user_id: str
    email: str


@attrs.frozen(kw_only=True)
class Payment:
    """A payment: by its payment intent, its session where no money moves, its invoice where it is for a period."""

    id: str
    amount: int
    intent: str | None
    session: str | None = None


def customers(count: int, *, domain: str = "example.test") -> tuple[Customer, ...]:
    """Customers who are the same ones in every run."""
    space = uuid.uuid5(uuid.NAMESPACE_DNS, domain)
    return tuple(
        Customer(str(uuid.uuid5(space, str(number))), f"customer-{number}@{domain}") for number in range(1, count + 1)
    )


class Life:
    """A Stripe account, what was done on it, and in what order; the same seed does the same.

    Time is the account's own: it stands still unless somebody waits. With `invoices` every one-time sale has its
    paper, as the service's own sessions do.
    """

    def __init__(
        self, plans: Iterable[Plan], *, seed: int, now: int, api_version: str | None = None, invoices: bool = True
    ) -> None:
        self.plans = tuple(plans)
        self.account = StripeAccount(seed=seed, api_version=api_version, now=now)
        self.acts: list[Act] = []
        self._invoices = invoices
        self._subscribed: dict[str, tuple[Customer, Plan]] = {}

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event so far, in the order in which they were made."""
        return tuple(Event(body=json.dumps(told, indent=2)) for told in self.account.events)

    def wait(self, seconds: int = 1) -> None:
        """Let time pass; subscriptions renew meanwhile, and are charged an hour later."""
        self._remember_periods(self.account.billing.advance(seconds))

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

    def subscribe(self, customer: Customer, plan: Plan) -> str:
        """Let a customer subscribe to a plan; gives the subscription's id."""
        before = len(self.account.events)
        session_id = self._open(customer, plan)
        self.account.pay(session_id)
        subscription = str((self.account.session(session_id) or {})["subscription"])
        self._subscribed[subscription] = customer, plan
        self._remember_periods(self.account.events[before:])
        return subscription

    def cancel(self, subscription: str, *, at_period_end: bool = False) -> None:
        """Let a customer cancel a subscription; what is paid stays paid."""
        self.account.billing.cancel(subscription, at_period_end=at_period_end)

    def period(self, subscription: str) -> Payment:
        """The payment of a subscription's latest period."""
        bill = self.account.kept("invoice", self.account.kept("subscription", subscription)["latest_invoice"])
        return Payment(id=bill["id"], amount=bill["amount_paid"], intent=bill["_payment_intent"])

    def _open(self, customer: Customer, plan: Plan) -> str:
        metadata = {
            "userId": customer.user_id,
            "userEmail": customer.email,
            "plan": plan.id,
            "credence_terms": f"{plan.credits}/{plan.price}/{plan.currency}",
        }
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
        )
        version = self.account.api_version or API_VERSION
        return str(self.account.create_session(order, PAGE, api_version=version)["id"])

    def _remember_periods(self, events: Iterable[Object]) -> None:
        for event in events:
            if event["type"] != "invoice.paid":
                continue
            bill = self.account.kept("invoice", event["data"]["object"]["id"])
            if bill["_subscription"] not in self._subscribed or bill["total"] <= 0:
                continue
            customer, plan = self._subscribed[bill["_subscription"]]
            self.acts += [
                Bought(customer=customer.user_id, payment=bill["id"], credits=plan.credits, amount=bill["amount_paid"]),
                Paid(payment=bill["id"]),
            ]
