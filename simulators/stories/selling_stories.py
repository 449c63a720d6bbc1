"""Stories of selling: prices that are pushed while customers buy, switching in the portal, charging saved cards."""

from collections.abc import Callable

import attrs

from simulators.stories.customers import Customer, Plan
from simulators.stories.invoiced_stories import a_period
from simulators.stories.life import DAY, Life


def before_push(plan: Plan) -> Plan:
    """Return the plan as it was before the catalogue changed: cheaper, and with fewer credits in proportion."""
    return attrs.evolve(plan, credits=max(plan.credits * 4 // 5, 1), price=max(plan.price * 9 // 10, 1))


def _packs_around_push(life: Life, customer: Customer, plan: Plan) -> None:
    life.push(before_push(plan))
    life.buy(customer, before_push(plan))
    life.push(plan)
    life.refund(life.buy(customer, plan), plan.price // 2)


def _renewal_after_push(life: Life, customer: Customer, plan: Plan) -> None:
    life.push(before_push(plan))
    life.subscribe(customer, before_push(plan))
    life.wait(DAY)
    life.push(plan)
    life.subscribe(customer, plan)
    life.wait(a_period(plan) - DAY)


def _switched_at_once(life: Life, customer: Customer, plan: Plan) -> None:
    smaller, larger = _pair(life, plan)
    wanted = before_push(larger) if larger.id != smaller.id else larger
    life.push(smaller)
    subscription = life.subscribe(customer, smaller)
    life.wait(a_period(smaller) // 3)
    life.push(wanted)
    life.switch(subscription, wanted)
    life.push(larger)


def _switched_later(life: Life, customer: Customer, plan: Plan) -> None:
    smaller, larger = _pair(life, plan)
    wanted = before_push(smaller) if larger.id != smaller.id else smaller
    life.push(larger)
    subscription = life.subscribe(customer, larger)
    life.wait(DAY)
    life.push(wanted)
    life.switch(subscription, wanted, at_period_end=True)
    life.push(_today(life, smaller))
    life.wait(a_period(larger) - DAY)


def _charged(life: Life, customer: Customer, plan: Plan) -> None:
    life.charge(customer, plan)


def _charge_refunded(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.charge(customer, plan)
    life.wait()
    life.refund(payment, payment.amount // 2)


def _pair(life: Life, plan: Plan) -> tuple[Plan, Plan]:
    """Return a smaller and a larger plan with the same period; of one that has no other beside it, earlier terms."""
    beside = [one for one in life.plans if one.mode == plan.mode and one.interval == plan.interval]
    larger = [one for one in beside if one.price > plan.price]
    smaller = [one for one in beside if 4 <= one.price < plan.price]
    if larger:
        return plan, larger[0]
    return (smaller[0], plan) if smaller else (before_push(plan), plan)


def _today(life: Life, plan: Plan) -> Plan:
    """Return the plan as it is on sale now."""
    return next(one for one in life.plans if one.id == plan.id)


SELLING: tuple[tuple[str, str, str, Callable[[Life, Customer, Plan], None]], ...] = (
    (
        "packs around a push",
        "payment",
        "buys at a pushed price and at the next, and is refunded half",
        _packs_around_push,
    ),
    (
        "renewal after a push",
        "subscription",
        "renews at an old price, and subscribes at the new one",
        _renewal_after_push,
    ),
    ("switched in the portal", "subscription", "switches to a larger plan in the portal", _switched_at_once),
    ("switched with the next period", "subscription", "switches to a smaller plan in the portal", _switched_later),
    ("charged off session", "payment", "has a saved card charged", _charged),
    ("charge refunded", "payment", "has a saved card charged, and is refunded half", _charge_refunded),
)
"""Each story's name, the mode of its plan, its description, and how it is played."""
