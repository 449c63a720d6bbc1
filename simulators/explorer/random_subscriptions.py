"""Chooses what happens to a customer's subscriptions: changes within a period, late payments, credit notes, the end."""

import random
from collections.abc import Callable

import attrs

from simulators.stories.customers import Customer, Payment, Plan
from simulators.stories.life import DAY, HOUR, Life
from simulators.stripe.account.subscription_shapes import Terms

WEIGHTS = {
    "subscribe": 3,
    "agree": 2,
    "renew": 4,
    "change plan": 4,
    "switch later": 2,
    "change seats": 2,
    "add something else": 1,
    "charge a fee": 1,
    "decline": 1,
    "pay late": 5,
    "credit": 3,
    "credit before payment": 4,
    "cancel": 3,
}

TERMS = (
    Terms(),
    Terms(names_credited=False),
    Terms(billing_mode="flexible"),
    Terms(billing_mode="flexible", proration_discounts="itemized"),
)
MOST_PENDING = 2
"""Changes that wait for one invoice: it shows ten lines itself."""


@attrs.define
class _Going:
    """A subscription that goes on."""

    id: str
    plan: Plan
    changes: int = 0
    """Those that no invoice has billed yet."""
    has_something_else: bool = False


@attrs.define(kw_only=True)
class Subscriptions:
    """A customer's subscriptions, and what may happen to them next."""

    chance: random.Random
    life: Life
    customer: Customer
    plans: tuple[Plan, ...]
    have: Callable[[Payment], None]
    """Is given each payment that may be refunded or disputed."""
    left: dict[str, int]
    """What may still be refunded of each payment."""
    refunds: dict[str, tuple[str, str, int]]
    going: list[_Going] = attrs.field(factory=list)
    known: list[str] = attrs.field(factory=list)
    """Every subscription, those that ended among them."""

    def possible(self) -> dict[str, Callable[[], None]]:
        """Return what may happen next, by its name."""
        changing = [one for one in self.going if one.changes < MOST_PENDING]
        # Where a line names no item, something else alone on an invoice waits for a person.
        itemizing = [one for one in changing if self.life.names_items(one.id)]
        opened = [bill for one in self.going for bill in self.life.open_bills(one.id)]
        credited = [(pay, left) for one in self.known for pay, left in self.life.creditable(one) if left >= 100]
        pick = self.chance.choice
        choices: dict[str, tuple[object, Callable[[], None]]] = {
            "subscribe": (self.plans and len(self.going) < 2, lambda: self._subscribe(pick(self.plans))),
            "agree": (self.plans and len(self.going) < 2, lambda: self._agree(pick(self.plans))),
            "renew": (self.going, self._renew),
            "change plan": (changing and len(self.plans) > 1, lambda: self._change_plan(pick(changing))),
            "switch later": (self._switching(), lambda: self._switch_later(pick(self._switching()))),
            "change seats": (changing, lambda: self._change_seats(pick(changing))),
            "add something else": (itemizing, lambda: self._add(pick(itemizing))),
            "charge a fee": (self.going, lambda: self.life.charge_fee(pick(self.going).id, pick((150, 1999)))),
            "decline": (self.going, lambda: self._decline(pick(self.going))),
            "pay late": (opened, lambda: self._pay(pick(opened))),
            "credit": (credited, lambda: self._credit(*pick(credited))),
            "credit before payment": (opened, lambda: self._credit_before(pick(opened))),
            "cancel": (self.going, self._cancel),
        }
        return {name: act for name, (may, act) in choices.items() if may}

    def _subscribe(self, plan: Plan) -> None:
        self._begin(self.life.subscribe(self.customer, plan), plan)

    def _agree(self, plan: Plan) -> None:
        percent = self.chance.choice((0, 0, 50, 50, 100))
        # Where all is free and no line names another, nothing tells what is given back from what is sold.
        terms = self.chance.choice([one for one in TERMS if percent < 100 or one.names_credited])
        quantity = self.chance.choice((1, 1, 2, 5))
        made = self.life.agree(self.customer, plan, quantity=quantity, percent_off=percent, terms=terms)
        self._begin(made, plan)

    def _begin(self, subscription: str, plan: Plan) -> None:
        self.going.append(_Going(subscription, plan))
        self.known.append(subscription)
        self.have(self.life.period(subscription))

    def _renew(self) -> None:
        self.life.wait(self.chance.choice((DAY, 7 * DAY, 31 * DAY)))
        for one in self.going:
            one.changes = 0 if one.changes and not self._pending(one) else one.changes
            self.have(self.life.period(one.id))

    def _pending(self, one: _Going) -> bool:
        return bool(self.life.account.kept("subscription", one.id)["_pending"])

    def _change_plan(self, one: _Going) -> None:
        others = [plan for plan in self.plans if plan.id != one.plan.id]
        if one.has_something_else:
            others = [plan for plan in others if plan.interval == one.plan.interval]
        if not others:
            return
        one.plan = self.chance.choice(others)
        self._changed(one, at_once=self.chance.random() < 0.5, plan=one.plan)

    def _switching(self) -> list[_Going]:
        """Return the subscriptions whose next period may be another plan's, of the same length."""
        return [one for one in self.going if one.changes == 0 and not one.has_something_else and self._as_long(one)]

    def _as_long(self, one: _Going) -> list[Plan]:
        return [plan for plan in self.plans if plan.id != one.plan.id and plan.interval == one.plan.interval]

    def _switch_later(self, one: _Going) -> None:
        one.plan = self.chance.choice(self._as_long(one))
        self.life.switch(one.id, one.plan, at_period_end=True)
        # Until then Stripe takes no other change.
        self.life.wait(31 * DAY + HOUR)
        self.have(self.life.period(one.id))

    def _change_seats(self, one: _Going) -> None:
        self._changed(one, at_once=self.chance.random() < 0.5, quantity=self.chance.choice((1, 2, 3, 7)))

    def _changed(self, one: _Going, *, at_once: bool, plan: Plan | None = None, quantity: int | None = None) -> None:
        # Some of a period has passed: two lines of one moment are nobody's rest of it.
        self.life.wait(self.chance.choice((HOUR, 5 * HOUR, DAY)))
        self.life.change(one.id, plan, quantity=quantity, at_once=at_once)
        one.changes = one.changes + 1 if self._pending(one) else 0
        self.have(self.life.period(one.id))

    def _add(self, one: _Going) -> None:
        one.has_something_else, one.changes = True, one.changes + 1
        self.life.add_something_else(one.id, self.chance.choice((250, 700)))

    def _decline(self, one: _Going) -> None:
        self.life.decline(one.id)
        self.life.wait(31 * DAY)
        self.life.decline(one.id, declines=False)

    def _pay(self, invoice: str) -> None:
        self.life.wait(self.chance.choice((HOUR, 2 * DAY, 5 * DAY)))
        self.life.pay(invoice)
        for one in self.going:
            self.have(self.life.period(one.id))

    def _credit(self, payment: Payment, left: int) -> None:
        way = self.chance.choice(("balance", "out of band", "card"))
        may_go = min(left, self.left.get(payment.id, 0)) if way == "card" else left
        lines = [(line, amount) for line, amount in self.life.lines(payment.id) if 30 <= amount <= may_go]
        line = self.chance.choice([None, *lines])
        amount = may_go // 3 if line is None else line[1] // 3
        if amount < 10:
            return
        refund = self.life.credit(payment.id, amount, way=way, line=line[0] if line else None)
        if refund is not None:
            given = int(self.life.account.kept("refund", refund)["amount"])
            self.left[payment.id] -= given
            self.refunds[refund] = "succeeded", payment.id, given

    def _credit_before(self, invoice: str) -> None:
        amount = int(self.life.account.kept("invoice", invoice)["amount_remaining"]) // 3
        if amount > 0:
            self.life.credit(invoice, amount)

    def _cancel(self) -> None:
        one, how = self.going.pop(), self.chance.choice(("at the end", "now", "prorated"))
        self.life.wait(self.chance.choice((0, HOUR, DAY)))
        prorate = how == "prorated"
        self.life.cancel(one.id, at_period_end=how == "at the end", prorate=prorate, invoice_now=prorate)
