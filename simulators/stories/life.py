"""Customers' lives on a simulated Stripe account: each thing that is done is remembered, and makes its events."""

from collections.abc import Iterable
from fractions import Fraction

from simulators.stories.acts import Billed, Canceled, Credited, Refunded
from simulators.stories.customers import Customer, Payment, Plan
from simulators.stories.kept_bills import bill_of, note_of
from simulators.stories.purchase_life import PurchaseLife, metadata_of
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.credit_notes import CreditedLine
from simulators.stripe.account.lines import LINES_CHANGE, net
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import API_VERSION, Object
from simulators.stripe.selling.schedules import schedule

HOUR = 60 * 60
DAY = 24 * HOUR


class Life(PurchaseLife):
    """A Stripe account with subscriptions too, whose periods are remembered once they are paid.

    Time is the account's own: it stands still unless somebody waits.
    """

    def __init__(
        self, plans: Iterable[Plan], *, seed: int, now: int, api_version: str | None = None, invoices: bool = True
    ) -> None:
        super().__init__(plans, seed=seed, now=now, api_version=api_version, invoices=invoices)
        self._subscribed: dict[str, Customer] = {}

    def wait(self, seconds: int = 1) -> None:
        """Let time pass; subscriptions renew meanwhile, and are charged an hour later."""
        self._remember_periods(self.account.billing.advance(seconds))

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
            metadata=metadata_of(customer, plan),
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

    def switch(self, subscription: str, plan: Plan, *, at_period_end: bool = False) -> None:
        """Let a customer switch to another plan in the portal: at once, prorated and billed, or with the next period.

        The subscription's metadata stays as it was.
        """
        if not at_period_end:
            self.change(subscription, plan, at_once=True)
            return
        found = self.account.kept("subscription", subscription)
        with self.account.lock:
            schedule(self.account, found, self.account.kept("price", self.price(plan)))

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
        """Return whether every line of the subscription's invoices names its item."""
        terms, version = self.account.kept("subscription", subscription)["_terms"], self.account.api_version
        return bool(terms.is_flexible or (version or API_VERSION)[:10] < LINES_CHANGE)

    def decline(self, subscription: str, *, declines: bool = True) -> None:
        """Let the customer's bank decline what renewals charge, or no longer."""
        self.account.billing.decline(subscription, declines=declines)

    def open_bills(self, subscription: str) -> list[str]:
        """Return the subscription's invoices that wait to be paid, oldest first."""
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
        """Return the subscription's invoices that are paid, and how much of each a credit note may still be of."""
        return [
            (
                Payment(id=one["id"], amount=one["total"], intent=one["_payment_intent"]),
                one["total"] - one["pre_payment_credit_notes_amount"] - one["post_payment_credit_notes_amount"],
            )
            for one in self.account.all_kept("invoice")
            if one["_subscription"] == subscription and one["status"] == "paid" and one["total"] > 0
        ]

    def lines(self, invoice: str) -> list[tuple[str, int]]:
        """Return the lines of an invoice that cost something, and how much."""
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
        """Return the payment of a subscription's latest invoice."""
        bill = self.account.kept("invoice", self.account.kept("subscription", subscription)["latest_invoice"])
        return Payment(id=bill["id"], amount=bill["amount_paid"], intent=bill["_payment_intent"])

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
