"""Subscriptions of a simulated Stripe account, which renew on the account's own clock, and what is billed for them."""

from collections.abc import Mapping, Sequence

from simulators.stripe.account.books import Books
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.prices import new_price, new_product, recurring, seconds_of
from simulators.stripe.account.prorations import unused_time
from simulators.stripe.account.subscribing import draft_pending, draft_period, new_subscription, set_discount
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.account.switching import switch
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid

DRAFT_SECONDS = 60 * 60
"""How long the invoice of a renewal is a draft before it is finalized and charged."""


class StripeBilling:
    """The billing of subscriptions; methods that make events return them, in Stripe's order."""

    def __init__(self, books: Books, collecting: StripeCollecting) -> None:
        self._books = books
        self._collecting = collecting
        self._drafts: dict[str, Object] = {}
        self.sent: list[tuple[str, str | None]] = []  # each invoice that was sent, with the request's idempotency key

    def price(
        self,
        unit_amount: int,
        interval: str = "month",
        *,
        interval_count: int = 1,
        currency: str = "usd",
        product: str | None = None,
        usage_type: str = "licensed",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Make a recurring price, of a product of its own if none is named; gives its id."""
        books = self._books
        with books.lock:
            made = new_price(
                books,
                unit_amount,
                currency,
                product=product or new_product(books, "Plan")["id"],
                recurring=recurring(interval, interval_count, usage_type=usage_type),
                metadata=metadata,
            )
            return str(made["id"])

    def subscribe(
        self,
        customer: str,
        items: Sequence[tuple[str, int]],
        *,
        metadata: Mapping[str, str] | None = None,
        trial_days: int = 0,
        coupon: str | None = None,
        terms: Terms | None = None,
        is_taxed: bool = False,
    ) -> tuple[list[Object], Object, Object]:
        """Return a subscription to prices, each so many times; its first invoice is charged, or an hour later sent.

        Returns the events, the subscription and the invoice.

        :raises Refusal: if there is no such price or coupon, or the prices can't be of one subscription.
        """
        books = self._books
        with books.lock:
            made = new_subscription(
                books, customer, items, metadata=metadata, trial_days=trial_days, coupon=coupon, terms=terms
            )
            made["_is_taxed"] = is_taxed
            events = [books.report("customer.subscription.created", made)]
            bill = draft_period(books, self._collecting, made, "subscription_create")
            if made["collection_method"] == "send_invoice":
                self._schedule(bill)
                return events, made, bill
            return events + self._collecting.collect(bill), made, bill

    def advance(self, seconds: int) -> list[Object]:
        """Let time pass: a period that ends meanwhile renews with a draft, which is charged an hour later."""
        with self._books.lock:
            until = self._books.now() + seconds
            found: list[Object] = []
            while due := self._due(until):
                moment, what = due
                self._books.set_clock(moment)
                found += self._collect(what) if what["object"] == "invoice" else self._turn(what)
            self._books.set_clock(until)
            return found

    def cancel(
        self, subscription_id: str, *, at_period_end: bool = False, prorate: bool = False, invoice_now: bool = False
    ) -> list[Object]:
        """Cancel a subscription, now or when its period ends.

        Canceled now, unused time is given back with `prorate`, and with `invoice_now` all that is pending is billed;
        with neither, what is pending is dropped.

        :raises Refusal: if it is canceled already.
        """
        books = self._books
        with books.lock:
            found = self._live(subscription_id)
            if at_period_end:
                found["cancel_at_period_end"], found["cancel_at"] = True, found["_period"][1]
                return [books.report("customer.subscription.updated", found)]
            if prorate:
                found["_pending"] += unused_time(books, found, found["_items"], at=books.now())
            elif not invoice_now:
                found["_pending"] = []
            given = self._end(found)
            if invoice_now and found["_pending"]:
                given += self._collecting.collect(draft_pending(books, self._collecting, found, "subscription_update"))
            return given

    def change(
        self,
        subscription_id: str,
        *,
        item: str | None = None,
        price: str | None = None,
        quantity: int | None = None,
        remove: bool = False,
        add: Sequence[tuple[str, int]] = (),
        metadata: Mapping[str, str] | None = None,
        prorate: bool = True,
        invoice_now: bool = False,
        new_period: bool = False,
        prorated_at: int | None = None,
        renews: bool = False,
    ) -> list[Object]:
        """Change an item of a subscription, the first if none is named, or remove it, and add others.

        What is prorated goes on the next invoice, or with `invoice_now` on one of its own. With `new_period`, or where
        the price recurs otherwise, a period begins now and is charged at once.

        :raises Refusal: if it is canceled, there is no such item or price, or the items can't be of one subscription.
        """
        with self._books.lock:
            return switch(
                self._books,
                self._collecting,
                self._live(subscription_id),
                item=item,
                price=price,
                quantity=quantity,
                remove=remove,
                add=add,
                metadata=metadata,
                prorate=prorate,
                invoice_now=invoice_now,
                new_period=new_period,
                prorated_at=prorated_at,
                renews=renews,
            )

    def change_plan(
        self,
        subscription_id: str,
        amount: int,
        *,
        metadata: Mapping[str, str] | None = None,
        invoice_now: bool = False,
        new_period: bool = False,
    ) -> list[Object]:
        """Let a subscription cost another amount for as long a period, at a price of its own.

        :raises Refusal: if it is canceled.
        """
        with self._books.lock:
            old = self._live(subscription_id)["_items"][0]["_price"]
            made = new_price(
                self._books, amount, old["currency"], product=old["product"], recurring=dict(old["recurring"])
            )
            return self.change(
                subscription_id, price=made["id"], metadata=metadata, invoice_now=invoice_now, new_period=new_period
            )

    def discount(self, subscription_id: str, coupon: str | None) -> list[Object]:
        """Let a coupon be in force on a subscription from now on, or none.

        :raises Refusal: if it is canceled, or there is no such coupon.
        """
        with self._books.lock:
            found = self._live(subscription_id)
            set_discount(self._books, found, coupon)
            return [self._books.report("customer.subscription.updated", found)]

    def decline(self, subscription_id: str, *, declines: bool = True) -> None:
        """Let the bank decline what a subscription charges from now on, or no longer."""
        self._books.kept("subscription", subscription_id)["_declines"] = declines

    def send(self, invoice_id: str, idempotency_key: str | None) -> Object:
        """Send an invoice to the customer.

        :raises Refusal: if there is none of that id.
        """
        found = self._books.kept("invoice", invoice_id)
        self.sent.append((invoice_id, idempotency_key))
        return found

    def _due(self, until: int) -> tuple[int, Object] | None:
        alive = ("active", "trialing", "past_due")
        subscriptions = [one for one in self._books.all_kept("subscription") if one["status"] in alive]
        moments = [(int(one["_finalizes_at"]), one) for one in self._drafts.values()]
        moments += [(int(one["_period"][1]), one) for one in subscriptions]
        return min((one for one in moments if one[0] <= until), key=lambda one: one[0], default=None)

    def _turn(self, found: Object) -> list[Object]:
        books = self._books
        if found["cancel_at_period_end"]:
            events = self._end(found)
            if found["_pending"]:
                self._schedule(draft_pending(books, self._collecting, found, "subscription_cycle"))
            return events
        if found.get("_next_price") is not None:
            found["_items"][0]["_price"] = found["_next_price"]
            books.kept("subscription_schedule", found["schedule"])["status"] = "released"
            found |= {"schedule": None, "_next_price": None}
        start = found["_period"][1]
        found["_period"] = [start, start + seconds_of(found["_items"][0]["_price"])]
        found["status"] = "active" if found["status"] == "trialing" else found["status"]
        events = [books.report("customer.subscription.updated", found)]
        self._schedule(draft_period(books, self._collecting, found, "subscription_cycle"))
        return events

    def _schedule(self, bill: Object) -> None:
        bill["_finalizes_at"] = self._books.now() + DRAFT_SECONDS
        self._drafts[bill["id"]] = bill

    def _collect(self, bill: Object) -> list[Object]:
        del self._drafts[bill["id"]]
        is_draft = bill["status"] == "draft" and bill["auto_advance"]
        return self._collecting.collect(bill) if is_draft else []

    def _end(self, found: Object) -> list[Object]:
        found |= {"status": "canceled", **dict.fromkeys(("canceled_at", "ended_at"), self._books.now())}
        for bill in self._drafts.values():
            if bill["_subscription"] == found["id"]:
                bill["auto_advance"] = False
        return [self._books.report("customer.subscription.deleted", found)]

    def _live(self, subscription_id: str) -> Object:
        found = self._books.kept("subscription", subscription_id)
        if found["status"] == "canceled":
            raise invalid("This subscription is canceled.", "subscription")
        return found
