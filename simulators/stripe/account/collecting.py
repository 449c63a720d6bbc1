"""Collects invoices: drafts and finalizes them; they are paid by balance, card, other payments or outside Stripe."""

from collections.abc import Mapping, Sequence

from simulators.stripe.account.balances import StripeBalances
from simulators.stripe.account.books import Books
from simulators.stripe.account.invoice_items import add_item
from simulators.stripe.account.invoice_shapes import invoice, invoice_payment
from simulators.stripe.account.lines import line
from simulators.stripe.account.prices import DAY
from simulators.stripe.account.shapes import charge
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid


class StripeCollecting:
    """The life of invoices; methods that make events return them, in Stripe's order."""

    def __init__(self, books: Books, balances: StripeBalances) -> None:
        self._books = books
        self._balances = balances

    def charge_later(self, customer: str, amount: int, currency: str = "usd", *, description: str) -> list[Object]:
        """Let something be on a customer's next invoice, a setup fee, say.

        :raises Refusal: if there is no such customer.
        """
        with self._books.lock:
            add_item(self._books, customer, amount, currency, description=description)
            return self._books.events[-1:]

    def draft(
        self, lines: list[Object], currency: str, *, reason: str, is_reported: bool = False, **fields: object
    ) -> Object:
        """Return a draft of these lines, reported if that is asked for, or if every step is reported."""
        books = self._books
        bill = invoice(
            books.new_id("in_"), created=books.now(), reason=reason, lines=lines, currency=currency, **fields
        )
        for one in lines:
            one |= {"currency": currency, "invoice": bill["id"]}
            if one["_invoice_item"]:
                one["_invoice_item"]["invoice"] = bill["id"]
        bill["starting_balance"] = self._balances.of(bill["customer"])
        books.keep(bill)
        (books.report if is_reported else books.step)("invoice.created", bill)
        return bill

    def finalize(self, bill: Object) -> None:
        """Let a draft stand; the customer's balance pays of it what it can, or takes what is below zero."""
        now = self._books.now()
        before = self._balances.of(bill["customer"])
        after = min(before + bill["total"], 0)
        if after != before:
            self._balances.move(
                bill["customer"], after - before, bill["currency"], kind="applied_to_invoice", invoice=bill["id"]
            )
        due = max(before + bill["total"], 0)
        bill |= {
            "amount_due": due,
            "amount_remaining": due,
            "due_date": now + bill["_days_until_due"] * DAY if bill.get("_days_until_due") is not None else None,
            "ending_balance": after,
            "number": f"SIM-{bill['id'][-6:]}",
            "starting_balance": before,
            "status": "open",
            "_finalizes_at": None,
        }
        bill["status_transitions"]["finalized_at"] = now

    def collect(self, bill: Object) -> list[Object]:
        """Finalize a draft and charge the customer's card, where anything is due and they are not asked to pay."""
        self.finalize(bill)
        self._books.step("invoice.finalized", bill)
        if bill["amount_due"] == 0:
            return self.settle(bill)
        if bill["collection_method"] == "send_invoice":
            self._books.step("invoice.sent", bill)
            return []
        if self._declines(bill):
            return self._fail(bill)
        return self._charge(bill, bill["amount_remaining"])

    def bill_once(
        self, items: Sequence[tuple[str, int]], currency: str, intent: Object, metadata: Mapping[str, str]
    ) -> list[Object]:
        """Return the paper of a one-time sale of prices, each so many times, which an intent pays."""
        books, now, lines = self._books, self._books.now(), []
        for price_id, quantity in items:
            price = books.kept("price", price_id)
            amount = price["unit_amount"] * quantity
            lines.append(line(books.new_id("il_"), amount, start=now, end=now, quantity=quantity, _price=price))
        bill = self.draft(lines, currency, reason="manual", metadata=dict(metadata), customer=intent["customer"])
        self.finalize(bill)
        books.step("invoice.finalized", bill)
        return self.settle_by(bill, intent)

    def pay(self, invoice_id: str, amount: int | None = None) -> list[Object]:
        """Pay an open invoice by card: what remains, a part of it, or more, which goes to the customer's balance.

        :raises Refusal: if it is not open.
        """
        with self._books.lock:
            bill = self._open(invoice_id)
            return self._charge(bill, bill["amount_remaining"] if amount is None else amount)

    def pay_out_of_band(self, invoice_id: str) -> list[Object]:
        """Pay what remains of an open invoice outside of Stripe.

        :raises Refusal: if it is not open.
        """
        with self._books.lock:
            bill = self._open(invoice_id)
            bill["_paid_off_stripe"] = bill["amount_remaining"]
            return self.settle(bill)

    def end(self, bill: Object, status: str, *, reported_as: str) -> list[Object]:
        """Let an invoice be void, which gives the customer's balance back, or uncollectible."""
        books = self._books
        bill["status"] = status
        moment = "voided_at" if status == "void" else "marked_uncollectible_at"
        bill["status_transitions"][moment] = books.now()
        applied = (bill["ending_balance"] or 0) - bill["starting_balance"]
        if status == "void" and applied:
            self._balances.move(
                bill["customer"], -applied, bill["currency"], kind="unapplied_from_invoice", invoice=bill["id"]
            )
        return [books.report(reported_as, bill)]

    def settle(self, bill: Object, intent: Object | None = None) -> list[Object]:
        """Let an invoice be paid by a payment that succeeded, by other means, or because nothing is due."""
        books = self._books
        found: list[Object] = []
        paid = bill["amount_remaining"] if intent is None else intent["amount"]
        excess = max(paid - bill["amount_remaining"], 0)
        bill["amount_paid"] += paid - excess
        bill["amount_remaining"] -= paid - excess
        bill["attempted"] = True
        if intent is not None:
            bill["attempt_count"] += 1
            bill["_payment_intent"], bill["_charge"] = intent["id"], intent["latest_charge"]
        if bill["amount_remaining"] == 0:
            bill["status"], bill["_overpaid"] = "paid", excess
            bill["status_transitions"]["paid_at"] = books.now()
        if intent is not None:
            payment = invoice_payment(books.new_id("inpay_"), bill, intent, created=books.now())
            books.keep(payment)
            found.append(books.report("invoice_payment.paid", payment))
        if bill["status"] != "paid":
            return found
        found += [books.report("invoice.paid", bill), books.report("invoice.payment_succeeded", bill)]
        if excess:
            self._balances.move(
                bill["customer"], -excess, bill["currency"], kind="invoice_overpaid", invoice=bill["id"]
            )
            found.append(books.report("invoice.overpaid", bill))
        return found + self._revive(bill)

    def settle_by(self, bill: Object, intent: Object) -> list[Object]:
        """Let a payment that succeeded, and has no charge yet, pay an invoice."""
        books = self._books
        intent["_invoice"] = bill["id"]
        paid = charge(intent["latest_charge"], intent, created=books.now(), invoice=bill["id"])
        books.keep(paid)
        books.step("charge.succeeded", paid)
        books.step("payment_intent.succeeded", intent)
        return self.settle(bill, intent)

    def _charge(self, bill: Object, amount: int) -> list[Object]:
        # A subscription's payments carry no metadata of their own.
        intent = self._books.new_intent(amount, bill["currency"], metadata={}, customer_id=bill["customer"])
        return self.settle_by(bill, intent)

    def _declines(self, bill: Object) -> bool:
        subscription = self._subscription(bill)
        return bool(subscription and subscription["_declines"])

    def _fail(self, bill: Object) -> list[Object]:
        books = self._books
        bill["attempt_count"], bill["attempted"] = bill["attempt_count"] + 1, True
        events = [books.report("invoice.payment_failed", bill)]
        subscription = self._subscription(bill)
        if subscription is not None and subscription["status"] == "active":
            subscription["status"] = "past_due"
            events.append(books.report("customer.subscription.updated", subscription))
        return events

    def _revive(self, bill: Object) -> list[Object]:
        subscription = self._subscription(bill)
        if subscription is None or subscription["status"] != "past_due":
            return []
        subscription["status"] = "active"
        return [self._books.report("customer.subscription.updated", subscription)]

    def _subscription(self, bill: Object) -> Object | None:
        return self._books.kept("subscription", bill["_subscription"]) if bill["_subscription"] else None

    def _open(self, invoice_id: str) -> Object:
        bill = self._books.kept("invoice", invoice_id)
        if bill["status"] not in ("open", "uncollectible"):
            raise invalid("This invoice is not open.", "invoice", code="invoice_not_editable")
        return bill
