"""Lives that chance leads: customers who buy, pay late, get money back and dispute, over days and months."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from simulators.explorer.random_subscriptions import WEIGHTS, Subscriptions
from simulators.stories.acts import Act
from simulators.stories.customers import Customer, Payment, Plan
from simulators.stories.events import Event
from simulators.stories.life import DAY, Life
from simulators.stories.selling_stories import before_push
from simulators.stripe.objects import API_VERSION

VERSIONS = ("2019-12-03", "2022-08-01", "2022-11-15", "2024-06-20", "2025-03-31.basil", API_VERSION)
"""Before and after each change of shape that matters: refunds left charges, payments left invoices."""

PAUSES = (0, 0, 1, 1, 60, 3600, 5 * 3600, DAY, 2 * DAY, 9 * DAY)
"""Seconds between two acts. Without a pause two acts are of the same second, and time can't tell their order."""

PLANS = (
    Plan(id="starter", credits=50, price=500, currency="usd"),
    Plan(id="odd", credits=7, price=333, currency="usd"),
    Plan(id="pro", credits=250, price=2000, currency="usd"),
    Plan(id="gift", credits=5, price=0, currency="usd"),
    Plan(id="monthly", credits=100, price=900, currency="usd", mode="subscription", interval="month"),
    Plan(id="weekly", credits=11, price=250, currency="usd", mode="subscription", interval="week"),
    Plan(id="large", credits=700, price=4900, currency="usd", mode="subscription", interval="month"),
    Plan(id="annual", credits=1201, price=9000, currency="usd", mode="subscription", interval="year"),
)
"""What is for sale: once, and for each interval; with an odd price, and for nothing."""

MAX_ACTS = 14

PUSHED = 0.5
"""How often the catalogue was pushed before a customer came."""
TWINS = 0.1
"""How often Stripe makes two events of one thing."""


@attrs.frozen(kw_only=True)
class LifeLed:
    """A customer's life as it was led."""

    customer: Customer
    api_version: str
    acts: tuple[Act, ...]
    events: tuple[Event, ...]
    prices: tuple[Mapping[str, Any], ...] = ()
    charged: tuple[Mapping[str, Any], ...] = ()
    """The payments with saved cards, as Stripe answers the requests for them."""


def lead(
    chance: random.Random, customer: Customer, plans: Sequence[Plan], *, now: int, most: int = MAX_ACTS
) -> LifeLed:
    """Lead a customer's life from a moment on, in at most so many acts."""
    version = chance.choice(VERSIONS)
    life = Life(plans, seed=chance.getrandbits(64), now=now, api_version=version, invoices=chance.random() < 0.7)
    led = _Led(chance=chance, life=life, customer=customer, plans=tuple(plans))
    for place in range(len(plans)) if chance.random() < PUSHED else ():
        led.push(place)
    for _ in range(chance.randint(2, most)):
        possible = led.possible()
        names = sorted(possible)
        weights = [_WEIGHTS[name] for name in names]
        before = len(life.account.events)
        possible[chance.choices(names, weights)[0]]()
        made = [event for event in life.account.events[before:] if event["created"] == life.account.now()]
        if made and chance.random() < TWINS:
            life.account.twin(chance.choice(made))
        life.wait(chance.choice(PAUSES))
    return LifeLed(
        customer=customer,
        api_version=version,
        acts=tuple(life.acts),
        events=life.events,
        prices=life.prices,
        charged=tuple(life.charged),
    )


_WEIGHTS = {
    "buy": 5,
    "buy later": 2,
    "abandon": 2,
    "charge": 2,
    "push": 2,
    "settle": 6,
    "fail": 4,
    "refund": 5,
    "refund all": 1,
    "settle refund": 3,
    "fail refund": 4,
    "cancel refund": 2,
    "dispute": 3,
    "inquire": 1,
    "respond": 4,
    "escalate": 4,
    "close": 6,
    "reinstate": 2,
} | WEIGHTS


@attrs.define(kw_only=True, slots=False)
class _Led:
    """A customer's payments, refunds, disputes and subscriptions so far, which decide what may happen next."""

    chance: random.Random
    life: Life
    customer: Customer
    plans: tuple[Plan, ...]
    paid: list[Payment] = attrs.field(factory=list)
    left: dict[str, int] = attrs.field(factory=dict)
    awaited: list[Payment] = attrs.field(factory=list)
    refunds: dict[str, tuple[str, str, int]] = attrs.field(factory=dict)
    """Each live refund's status, payment and amount."""
    disputes: dict[str, Payment] = attrs.field(factory=dict)
    inquiries: dict[str, Payment] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.subscribed = Subscriptions(
            chance=self.chance,
            life=self.life,
            customer=self.customer,
            plans=tuple(self._plans("subscription")),
            have=self._have,
            left=self.left,
            refunds=self.refunds,
        )

    def possible(self) -> dict[str, Callable[[], None]]:
        """Return what may happen next, by its name."""
        refundable = [payment for payment in self.paid if self.left[payment.id] > 0]
        pending = [refund for refund, (status, _, _) in self.refunds.items() if status == "pending"]
        undisputed = [payment for payment in self.paid if payment.id not in {p.id for p in self.disputes.values()}]
        open_ones = [*self.disputes, *self.inquiries]
        pick = self.chance.choice
        choices: dict[str, tuple[Sequence[object], Callable[[], None]]] = {
            "buy": (self._plans("payment"), lambda: self._buy("card")),
            "buy later": (self._plans("payment"), lambda: self._buy("delayed")),
            "abandon": (self._plans("payment"), lambda: self.life.abandon(self.customer, pick(self._plans("payment")))),
            "charge": (
                self._chargeable(),
                lambda: self._have(self.life.charge(self.customer, pick(self._chargeable()))),
            ),
            "push": (self.plans, lambda: self.push(pick(self._pushable()))),
            "settle": (self.awaited, lambda: self._settle(self.awaited.pop())),
            "fail": (self.awaited, lambda: self.life.fail(self.awaited.pop())),
            "refund": (refundable, lambda: self._refund(pick(refundable), is_complete=False)),
            "refund all": (refundable, lambda: self._refund(pick(refundable), is_complete=True)),
            "settle refund": (pending, lambda: self._settle_refund(pick(pending))),
            "cancel refund": (pending, lambda: self._end_refund(pick(pending), self.life.cancel_refund)),
            "fail refund": (
                tuple(self.refunds),
                lambda: self._end_refund(pick([*self.refunds]), self.life.fail_refund),
            ),
            "dispute": (undisputed, lambda: self._dispute(pick(undisputed))),
            "inquire": (undisputed, lambda: self._inquire(pick(undisputed))),
            "respond": (open_ones, lambda: self.life.respond(pick(open_ones))),
            "escalate": (tuple(self.inquiries), lambda: self._escalate(pick([*self.inquiries]))),
            "close": (open_ones, lambda: self._close(pick(open_ones))),
            "reinstate": (
                [one for one in self.disputes if self.life.away(one) >= 3],
                lambda: self._reinstate(pick([one for one in self.disputes if self.life.away(one) >= 3])),
            ),
        }
        return {name: act for name, (objects, act) in choices.items() if objects} | self.subscribed.possible()

    def _plans(self, mode: str) -> list[Plan]:
        return [plan for plan in self.plans if plan.mode == mode]

    def _chargeable(self) -> list[Plan]:
        """Return the packs that a saved card may be charged for, on the terms that the service has."""
        return [plan for plan in PLANS if plan.mode == "payment" and plan.price > 0]

    def _pushable(self) -> list[int]:
        """Return the places of the plans that customers renew with; of all plans, where there are none."""
        going = {one.plan.id for one in self.subscribed.going}
        return [place for place, plan in enumerate(self.plans) if not going or plan.id in going]

    def push(self, place: int) -> None:
        """Let the merchant push a plan, on other terms or on those that it had at first."""
        first = next(plan for plan in PLANS if plan.id == self.plans[place].id)
        pushed = self.chance.choice((first, before_push(first)))
        self.life.push(pushed)
        self.plans = (*self.plans[:place], pushed, *self.plans[place + 1 :])
        self.subscribed.plans = tuple(self._plans("subscription"))

    def _buy(self, method: str) -> None:
        payment = self.life.buy(self.customer, self.chance.choice(self._plans("payment")), method=method)
        if method == "delayed" and payment.amount > 0:
            self.awaited.append(payment)
        else:
            self._have(payment)

    def _have(self, payment: Payment) -> None:
        if payment.intent is not None and payment.id not in self.left:
            self.paid.append(payment)
            self.left[payment.id] = payment.amount

    def _settle(self, payment: Payment) -> None:
        self.life.settle(payment)
        self._have(payment)

    def _refund(self, payment: Payment, *, is_complete: bool) -> None:
        left = self.left[payment.id]
        amount = left if is_complete else self.chance.choice([max(left // 2, 1), max(payment.amount // 4, 1), 1])
        amount, status = min(amount, left), self.chance.choice(["succeeded", "succeeded", "pending"])
        refund = self.life.refund(payment, amount, status=status)
        self.left[payment.id] -= amount
        self.refunds[refund] = status, payment.id, amount

    def _settle_refund(self, refund: str) -> None:
        self.life.settle_refund(refund)
        self.refunds[refund] = "succeeded", *self.refunds[refund][1:]

    def _end_refund(self, refund: str, end: Callable[[str], None]) -> None:
        end(refund)
        _, payment, amount = self.refunds.pop(refund)
        self.left[payment] += amount

    def _dispute(self, payment: Payment) -> None:
        amount = self.chance.choice([None, None, max(payment.amount // 2, 1)])
        self.disputes[self.life.dispute(payment, amount)] = payment

    def _inquire(self, payment: Payment) -> None:
        self.inquiries[self.life.inquire(payment)] = payment

    def _reinstate(self, dispute: str) -> None:
        self.life.reinstate(dispute, self.life.away(dispute) // 3)

    def _escalate(self, dispute: str) -> None:
        payment = self.inquiries.pop(dispute)
        self.life.escalate(payment, dispute)
        self.disputes[dispute] = payment

    def _close(self, dispute: str) -> None:
        if dispute in self.inquiries:
            del self.inquiries[dispute]
            self.life.close_dispute(dispute, "warning_closed")
            return
        del self.disputes[dispute]
        self.life.close_dispute(dispute, self.chance.choice(["won", "lost", "prevented"]))
