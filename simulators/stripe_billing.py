"""Invoices and subscriptions of a simulated Stripe account, which renew on the account's own clock."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simulators.stripe_objects import Object
from simulators.stripe_refusals import invalid
from simulators.stripe_shapes import charge, invoice, invoice_payment, line

if TYPE_CHECKING:
    from simulators.stripe_account import StripeAccount

DAY = 24 * 60 * 60
PERIODS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
"""Seconds of a period; a simulated month has 30 days."""


class StripeBilling:
    """What is billed; methods that make events return them, in Stripe's order."""

    def __init__(self, account: "StripeAccount") -> None:
        self._account = account
        self.sent: list[tuple[str, str | None]] = []
        """Each invoice that was sent, with the request's idempotency key."""

    def bill_once(self, session: Object, intent: Object, metadata: Mapping[str, str]) -> list[Object]:
        """The paper of a one-time sale."""
        now = self._account.now()
        lines = [line(self._account.new_id("il_"), session["amount_total"], start=now, end=now, subscription=None)]
        bill = self._bill("manual", lines, session["currency"], metadata=dict(metadata))
        self._tell_new(bill)
        return self._settle(bill, intent)

    def subscribe(
        self, session: Object, *, interval: str, metadata: Mapping[str, str], trial_days: int
    ) -> tuple[list[Object], Object, Object]:
        """A subscription with its first invoice, paid; returns the events, the subscription and the invoice."""
        account = self._account
        subscription = self.new_subscription(session, interval=interval, metadata=metadata, trial_days=trial_days)
        told = [account.tell("customer.subscription.created", subscription)]
        amount = 0 if trial_days else session["amount_total"]
        made, bill = self._charge_period(subscription, "subscription_create", amount)
        return [*told, *made], subscription, bill

    def new_subscription(
        self, session: Object, *, interval: str, metadata: Mapping[str, str], trial_days: int
    ) -> Object:
        """A subscription that nobody was told of, nor charged for."""
        account, now = self._account, self._account.now()
        subscription = {
            "id": account.new_id("sub_"),
            "object": "subscription",
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "collection_method": "charge_automatically",
            "created": now,
            "currency": session["currency"],
            "customer": session["customer"],
            "latest_invoice": None,
            "livemode": False,
            "metadata": dict(metadata),
            "status": "trialing" if trial_days else "active",
            "_amount": session["amount_subtotal"],
            "_interval": interval,
            "_period": [now, now + (trial_days * DAY or PERIODS[interval])],
            "_extra_lines": [],
        }
        account.keep(subscription)
        return subscription

    def advance(self, seconds: int) -> list[Object]:
        """Let time pass; every subscription whose period ends meanwhile renews, or ends."""
        with self._account.lock:
            until = self._account.now() + seconds
            told: list[Object] = []
            while due := self._due(until):
                self._account.set_clock(due["_period"][1])
                told += self._turn(due)
            self._account.set_clock(until)
            return told

    def cancel(self, subscription_id: str, *, at_period_end: bool = False) -> list[Object]:
        """Cancel a subscription, now or when its period ends.

        :raises Refusal: if it is canceled already.
        """
        with self._account.lock:
            found = self._live(subscription_id)
            if at_period_end:
                found["cancel_at_period_end"], found["cancel_at"] = True, found["_period"][1]
                return [self._account.tell("customer.subscription.updated", found)]
            return self._end(found)

    def change_plan(
        self,
        subscription_id: str,
        amount: int,
        *,
        metadata: Mapping[str, str] | None = None,
        invoice_now: bool = False,
        new_period: bool = False,
    ) -> list[Object]:
        """Let a subscription cost another amount; the rest of the old period is prorated.

        The prorations go on the next invoice, or on one of their own with `invoice_now`; with `new_period` a period at
        the new price begins now, and is paid at once.

        :raises Refusal: if it is canceled.
        """
        with self._account.lock:
            found, now = self._live(subscription_id), self._account.now()
            start, end = found["_period"]
            rest = max(end - now, 0) / max(end - start, 1)
            unused, used = -int(found["_amount"] * rest), int(amount * rest)
            found["_amount"] = amount
            found["metadata"] |= metadata or {}
            told = [self._account.tell("customer.subscription.updated", found)]
            if new_period:
                found["_extra_lines"].append(self._line(found, unused, is_proration=True))
                found["_period"] = [now, now + PERIODS[found["_interval"]]]
                return told + self._charge_period(found, "subscription_update", amount)[0]
            found["_extra_lines"] += [self._line(found, part, is_proration=True) for part in (unused, used)]
            return told + self._charge_period(found, "subscription_update", None)[0] if invoice_now else told

    def send(self, invoice_id: str, idempotency_key: str | None) -> Object:
        """Send an invoice to the customer.

        :raises Refusal: if there is none of that id.
        """
        found = self._account.kept("invoice", invoice_id)
        self.sent.append((invoice_id, idempotency_key))
        return found

    def _due(self, until: int) -> Object | None:
        alive = [one for one in self._account.all_kept("subscription") if one["status"] in ("active", "trialing")]
        due = [one for one in alive if one["_period"][1] <= until]
        return min(due, key=lambda one: int(one["_period"][1]), default=None)

    def _turn(self, found: Object) -> list[Object]:
        if found["cancel_at_period_end"]:
            return self._end(found)
        found["_period"] = [found["_period"][1], found["_period"][1] + PERIODS[found["_interval"]]]
        found["status"] = "active"
        told = [self._account.tell("customer.subscription.updated", found)]
        return told + self._charge_period(found, "subscription_cycle", found["_amount"])[0]

    def _end(self, found: Object) -> list[Object]:
        found["status"], found["canceled_at"] = "canceled", self._account.now()
        return [self._account.tell("customer.subscription.deleted", found)]

    def _charge_period(self, found: Object, reason: str, amount: int | None) -> tuple[list[Object], Object]:
        bill = self.bill_period(found, reason, amount)
        self._tell_new(bill)
        if bill["total"] <= 0:
            return self._settle(bill, None), bill
        # A subscription's payments carry no metadata of their own.
        intent = self._account.new_intent(bill["total"], found["currency"], metadata={})
        return self._settle(bill, intent), bill

    def bill_period(self, found: Object, reason: str, amount: int | None, **told: object) -> Object:
        """The invoice of a period, and of what is still to be prorated; paid, unless it is told otherwise."""
        lines, found["_extra_lines"] = found["_extra_lines"], []
        if amount is not None:
            lines = [*lines, self._line(found, amount)]
        bill = self._bill(
            reason,
            lines,
            found["currency"],
            customer=found["customer"],
            _subscription=found["id"],
            _subscription_metadata=dict(found["metadata"]),
            **told,
        )
        found["latest_invoice"] = bill["id"]
        return bill

    def _bill(self, reason: str, lines: list[Object], currency: str, **told: object) -> Object:
        bill = invoice(
            self._account.new_id("in_"),
            created=self._account.now(),
            reason=reason,
            lines=[one | {"currency": currency} for one in lines],
            currency=currency,
            **told,
        )
        self._account.keep(bill)
        return bill

    def _tell_new(self, bill: Object) -> None:
        fresh = {"amount_paid": 0, "amount_remaining": bill["amount_due"]}
        self._account.step("invoice.created", bill, status="draft", number=None, **fresh)
        self._account.step("invoice.finalized", bill, status="open", **fresh)

    def _settle(self, bill: Object, intent: Object | None) -> list[Object]:
        account = self._account
        if intent is not None:
            if intent["latest_charge"] is None:
                intent["latest_charge"] = account.new_id("ch_")
            intent["_invoice"] = bill["id"]
            paid = charge(intent["latest_charge"], intent, created=account.now(), invoice=bill["id"])
            account.keep(paid)
            account.step("charge.succeeded", paid)
            account.step("payment_intent.succeeded", intent)
        return self.tell_paid(bill, intent)

    def tell_paid(self, bill: Object, intent: Object | None) -> list[Object]:
        """Tell that an invoice is paid: by a payment that succeeded, or because nothing is due."""
        account = self._account
        told: list[Object] = []
        if intent is not None:
            bill["_payment_intent"], bill["_charge"] = intent["id"], intent["latest_charge"]
            payment = invoice_payment(account.new_id("inpay_"), bill, created=account.now())
            account.keep(payment)
            told.append(account.tell("invoice_payment.paid", payment))
        return [*told, account.tell("invoice.paid", bill), account.tell("invoice.payment_succeeded", bill)]

    def _line(self, found: Object, amount: int, *, is_proration: bool = False) -> Object:
        start, end = found["_period"]
        return line(
            self._account.new_id("il_"),
            amount,
            start=start,
            end=end,
            is_proration=is_proration,
            subscription=found["id"],
        )

    def _live(self, subscription_id: str) -> Object:
        found = self._account.kept("subscription", subscription_id)
        if found["status"] == "canceled":
            raise invalid("This subscription is canceled.", "subscription")
        return found
