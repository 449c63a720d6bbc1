"""Customers' lives on a simulated Stripe account: each thing that is done is remembered, and makes its events."""

import json
import uuid
from collections.abc import Iterable
from fractions import Fraction

import attrs

from simulators.stories.acts import (
    Act,
    Billed,
    Bought,
    Canceled,
    Credited,
    Disputed,
    DisputeEased,
    DisputeEnded,
    Paid,
    PaymentFailed,
    Refunded,
    RefundFailed,
)
from simulators.stories.events import Event
from simulators.stories.kept_bills import PLAN_KEY, bill_of, note_of
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.credit_notes import CreditedLine
from simulators.stripe.account.lines import LINES_CHANGE, net
from simulators.stripe.account.orders import Order, OrderedItem
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import API_VERSION, Object

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
        self._subscribed: dict[str, Customer] = {}
        self._prices: dict[str, str] = {}

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event so far, in the order in which they were made."""
        return tuple(Event(body=json.dumps(event, indent=2)) for event in self.account.events)

    @property
    def prices(self) -> tuple[Object, ...]:
        """The prices of what recurs, as Stripe tells them."""
        return tuple(dict(price) for price in self.account.all_kept("price") if price["recurring"])

    def price(self, plan: Plan) -> str:
        """The id of a plan's price on the account."""
        if plan.id not in self._prices:
            self._prices[plan.id] = self.account.billing.price(
                plan.price, plan.interval or "month", currency=plan.currency, metadata={PLAN_KEY: plan.id}
            )
        return self._prices[plan.id]

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

    def reinstate(self, dispute: str, amount: int) -> None:
        """Let a part of a dispute's money come back, though it is not decided."""
        self.account.reversals.reinstate(dispute, amount)
        self.acts.append(DisputeEased(dispute=dispute, amount=amount))

    def subscribe(self, customer: Customer, plan: Plan) -> str:
        """Let a customer subscribe to a plan; gives the subscription's id."""
        before = len(self.account.events)
        session_id = self._open(customer, plan)
        self.account.pay(session_id)
        subscription = str((self.account.session(session_id) or {})["subscription"])
        self._subscribed[subscription] = customer
        self._remember_periods(self.account.events[before:])
        return subscription

    def agree(
        self,
        customer: Customer,
        plan: Plan,
        *,
        quantity: int = 1,
        percent_off: int = 0,
        duration: str = "forever",
        terms: Terms | None = None,
    ) -> str:
        """Let a customer subscribe without a checkout: to several seats, with a coupon, billed on other terms."""
        payer = self.account.new_customer(customer.email)
        coupon = new_coupon(self.account, percent_off, duration=duration)["id"] if percent_off else None
        given, made, _ = self.account.billing.subscribe(
            payer,
            [(self.price(plan), quantity)],
            metadata=_metadata(customer, plan),
            coupon=coupon,
            terms=terms,
        )
        self._subscribed[made["id"]] = customer
        self._remember_periods(given)
        return str(made["id"])

    def change(
        self, subscription: str, plan: Plan | None = None, *, quantity: int | None = None, at_once: bool = False
    ) -> None:
        """Let a customer change to another plan or number of seats; what is prorated is billed at once, or later."""
        price = self.price(plan) if plan is not None else None
        events = self.account.billing.change(subscription, price=price, quantity=quantity, invoice_now=at_once)
        self._remember_periods(events)

    def add_something_else(self, subscription: str, amount: int) -> None:
        """Let a subscription bill something that brings no credits, too."""
        first = self.account.kept("subscription", subscription)["_items"][0]["_price"]
        price = self.account.billing.price(
            amount, first["recurring"]["interval"], currency=first["currency"], metadata={}
        )
        self._remember_periods(self.account.billing.change(subscription, add=[(price, 1)]))

    def charge_fee(self, subscription: str, amount: int) -> None:
        """Let a fee be on the subscription's next invoice."""
        found = self.account.kept("subscription", subscription)
        self.account.collecting.charge_later(found["customer"], amount, found["currency"], description="Setup")

    def names_items(self, subscription: str) -> bool:
        """Whether every line of the subscription's invoices names its item."""
        terms, version = self.account.kept("subscription", subscription)["_terms"], self.account.api_version
        return bool(terms.is_flexible or (version or API_VERSION)[:10] < LINES_CHANGE)

    def decline(self, subscription: str, *, declines: bool = True) -> None:
        """Let the customer's bank decline what renewals charge, or no longer."""
        self.account.billing.decline(subscription, declines=declines)

    def open_bills(self, subscription: str) -> list[str]:
        """The subscription's invoices that wait to be paid, oldest first."""
        bills = self.account.all_kept("invoice")
        return [one["id"] for one in bills if one["_subscription"] == subscription and one["status"] == "open"]

    def pay(self, invoice: str) -> None:
        """Let a customer pay an invoice that waited."""
        self._remember_periods(self.account.collecting.pay(invoice))

    def credit(self, invoice: str, amount: int, *, way: str = "balance", line: str | None = None) -> str | None:
        """Credit something of an invoice: of a line of it, if one is named; gives the id of a refund, if one is made.

        `way` is where it goes once the invoice is paid: `balance`, `card` or `out of band`.
        """
        bill = self.account.kept("invoice", invoice)
        lines, total = [], amount
        if line is not None:
            of = next(one for one in bill["_lines"] if one["id"] == line)
            total -= rounded(Fraction(amount * (of["amount"] - net(of)), of["amount"]))
            lines = [CreditedLine(amount, line)]
        after = total - min(total, bill["amount_remaining"])
        events = self.account.credit_notes.issue(
            invoice,
            None if lines else amount,
            lines=lines,
            credit=after if way == "balance" else 0,
            out_of_band=after if way == "out of band" else 0,
            refund=after if way == "card" else 0,
        )
        made = next(event["data"]["object"] for event in events if event["type"] == "credit_note.created")
        note = self.account.kept("credit_note", made["id"])
        self.acts.append(Credited(invoice=invoice, note=note_of(note)))
        refunds = [self.account.kept("refund", one["refund"]) for one in note["_refunds"]]
        self.acts += [Refunded(payment=invoice, refund=one["id"], amount=one["amount"]) for one in refunds]
        self._remember_periods(events)
        return str(refunds[0]["id"]) if refunds else None

    def creditable(self, subscription: str) -> list[tuple[Payment, int]]:
        """The subscription's invoices that are paid, and how much of each a credit note may still be of."""
        return [
            (
                Payment(id=one["id"], amount=one["total"], intent=one["_payment_intent"]),
                one["total"] - one["pre_payment_credit_notes_amount"] - one["post_payment_credit_notes_amount"],
            )
            for one in self.account.all_kept("invoice")
            if one["_subscription"] == subscription and one["status"] == "paid" and one["total"] > 0
        ]

    def away(self, dispute: str) -> int:
        """How much of a dispute is with the bank."""
        return int(self.account.kept("dispute", dispute)["_away"])

    def lines(self, invoice: str) -> list[tuple[str, int]]:
        """The lines of an invoice that cost something, and how much."""
        bill = self.account.kept("invoice", invoice)
        return [(one["id"], one["amount"]) for one in bill["_lines"] if net(one) > 0]

    def cancel(
        self, subscription: str, *, at_period_end: bool = False, prorate: bool = False, invoice_now: bool = False
    ) -> None:
        """Let a customer cancel a subscription; what is paid stays paid, or with `prorate` unused time comes back."""
        events = self.account.billing.cancel(
            subscription, at_period_end=at_period_end, prorate=prorate, invoice_now=invoice_now
        )
        self.acts.append(Canceled(subscription=subscription))
        self._remember_periods(events)

    def period(self, subscription: str) -> Payment:
        """The payment of a subscription's latest invoice."""
        bill = self.account.kept("invoice", self.account.kept("subscription", subscription)["latest_invoice"])
        return Payment(id=bill["id"], amount=bill["amount_paid"], intent=bill["_payment_intent"])

    def _open(self, customer: Customer, plan: Plan) -> str:
        metadata = _metadata(customer, plan)
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

    def _remember_periods(self, events: Iterable[Object]) -> None:
        credits = {plan.id: plan.credits for plan in self.plans}  # noqa: A001 - the field's own word
        for event in events:
            if event["type"] != "invoice.paid":
                continue
            bill = self.account.kept("invoice", event["data"]["object"]["id"])
            if bill["_subscription"] not in self._subscribed:
                continue
            version = self.account.api_version or API_VERSION
            made = bill_of(bill, self._subscribed[bill["_subscription"]].user_id, credits, version)
            paid_by = tuple(str(bill[name]) for name in ("_payment_intent", "_charge") if bill[name])
            self.acts.append(Billed(bill=made, payments=paid_by))


def _metadata(customer: Customer, plan: Plan) -> dict[str, str]:
    return {
        "userId": customer.user_id,
        "userEmail": customer.email,
        "plan": plan.id,
        "credence_terms": f"{plan.credits}/{plan.price}/{plan.currency}",
    }
