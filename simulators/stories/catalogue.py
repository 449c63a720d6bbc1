"""The catalogue of stories: what customers do with credits, each by the events that Stripe makes of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from simulators.stories.acts import Act
from simulators.stories.customers import Customer, Payment, Plan
from simulators.stories.events import Event
from simulators.stories.invoiced_stories import INVOICED, OF_OTHER_PRICES, a_period
from simulators.stories.life import DAY, Life
from simulators.stories.selling_stories import SELLING

Play = Callable[[Life, Customer, Plan], None]


@attrs.frozen(kw_only=True)
class Story:
    """Something that one customer does, in a few acts."""

    name: str
    summary: str
    mode: str
    """The mode of the plan that it needs: `payment` or `subscription`."""
    play: Play
    shows_prices: bool = False
    """Whether its prices' terms must be seen in the events, by who can't ask the Stripe that made them."""
    has_other_prices: bool = False
    """Whether lines of it are at prices that only Stripe can report, and another plan may be needed."""


@attrs.frozen(kw_only=True)
class Lived:
    """A story as it was lived: who did what, and the events that Stripe made of it, in their order."""

    story: str
    customer: Customer
    plan: Plan
    acts: tuple[Act, ...]
    events: tuple[Event, ...]
    prices: tuple[Mapping[str, Any], ...] = ()
    charged: tuple[Mapping[str, Any], ...] = ()
    """The payments with saved cards, as Stripe answers the requests for them."""


def live(
    story: Story,
    customer: Customer,
    plans: Sequence[Plan],
    *,
    seed: int,
    now: int,
    api_version: str | None = None,
    invoices: bool = True,
) -> Lived:
    """Let a customer live a story; the same arguments give the same events, to the byte.

    :raises LookupError: if no plan is of the mode that the story needs.
    """
    plan = plan_for(story, plans)
    life = Life(plans, seed=seed, now=now, api_version=api_version, invoices=invoices)
    story.play(life, customer, plan)
    return Lived(
        story=story.name,
        customer=customer,
        plan=plan,
        acts=tuple(life.acts),
        events=life.events,
        prices=life.prices,
        charged=tuple(life.charged),
    )


def plan_for(story: Story, plans: Sequence[Plan]) -> Plan:
    """Return the first plan that the story can be played with: what is given away can't be refunded.

    :raises LookupError: if there is none.
    """
    for plan in plans:
        if plan.mode == story.mode and plan.price >= 4:
            return plan
    raise LookupError(f"the story {story.name!r} needs a plan of mode {story.mode} that costs something")


def _purchase(life: Life, customer: Customer, plan: Plan) -> None:
    life.buy(customer, plan)


def _abandoned(life: Life, customer: Customer, plan: Plan) -> None:
    life.abandon(customer, plan)
    life.wait()
    life.buy(customer, plan)


def _delayed(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan, method="delayed")
    life.wait(3 * DAY)
    life.settle(payment)


def _delayed_failed(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan, method="delayed")
    life.wait(3 * DAY)
    life.fail(payment)


def _refund_in_parts(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    part = payment.amount // 4
    life.wait()
    life.refund(payment, part)
    life.wait()
    life.refund(payment, part)


def _full_refund(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    life.wait()
    life.refund(payment)


def _refund_that_fails(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    life.wait()
    refund = life.refund(payment, payment.amount // 2)
    life.wait(DAY)
    life.fail_refund(refund)


def _refund_canceled(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    life.wait()
    refund = life.refund(payment, payment.amount // 2, status="pending")
    life.wait()
    life.cancel_refund(refund)
    life.wait()
    life.settle_refund(life.refund(payment, payment.amount // 4, status="pending"))


def _dispute_won(life: Life, customer: Customer, plan: Plan) -> None:
    dispute = life.dispute(life.buy(customer, plan))
    life.wait(DAY)
    life.close_dispute(dispute, "won")


def _dispute_lost(life: Life, customer: Customer, plan: Plan) -> None:
    dispute = life.dispute(life.buy(customer, plan))
    life.wait(DAY)
    life.close_dispute(dispute, "lost")


def _long_dispute(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    life.wait(DAY)
    dispute = life.inquire(payment)
    life.wait(DAY)
    life.respond(dispute)
    life.wait(DAY)
    life.escalate(payment, dispute)
    life.wait(DAY)
    life.respond(dispute)
    life.wait(DAY)
    life.close_dispute(dispute, "won")


def _inquiry(life: Life, customer: Customer, plan: Plan) -> None:
    dispute = life.inquire(life.buy(customer, plan))
    life.wait(DAY)
    life.close_dispute(dispute, "warning_closed")


def _renewal(life: Life, customer: Customer, plan: Plan) -> None:
    life.subscribe(customer, plan)
    life.wait(a_period(plan))


def _period_refunded(life: Life, customer: Customer, plan: Plan) -> None:
    life.refund(life.period(life.subscribe(customer, plan)))


def _renewal_refunded(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(a_period(plan))
    life.refund(life.period(subscription))


def _canceled(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(DAY)
    life.cancel(subscription, at_period_end=True)
    life.wait(2 * a_period(plan))


def _refund_and_dispute(life: Life, customer: Customer, plan: Plan) -> None:
    payment = life.buy(customer, plan)
    half = payment.amount // 2
    life.wait()
    life.refund(payment, half)
    life.wait()
    life.close_dispute(life.dispute(payment, payment.amount - half), "won")


def _two_purchases(life: Life, customer: Customer, plan: Plan) -> None:
    first: Payment = life.buy(customer, plan)
    life.wait()
    life.buy(customer, plan)
    life.wait()
    life.refund(first, first.amount // 2)


def _catalogue(*stories: tuple[str, str, str, Play]) -> Mapping[str, Story]:
    return {name: Story(name=name, mode=mode, summary=given, play=play) for name, mode, given, play in stories}


_SOLD = _catalogue(
    ("purchase", "payment", "buys, and pays by card", _purchase),
    ("abandoned", "payment", "lets a checkout expire, then buys", _abandoned),
    ("delayed payment", "payment", "pays by a method that takes days", _delayed),
    ("delayed payment fails", "payment", "pays by a method that takes days, and it fails", _delayed_failed),
    ("refund in parts", "payment", "buys, and is refunded a quarter twice", _refund_in_parts),
    ("full refund", "payment", "buys, and is refunded everything", _full_refund),
    ("refund that fails", "payment", "is refunded a half, which the bank sends back", _refund_that_fails),
    ("refund canceled", "payment", "is refunded a half, which is canceled, then a quarter", _refund_canceled),
    ("dispute won", "payment", "buys, disputes, and loses against the merchant", _dispute_won),
    ("dispute lost", "payment", "buys, disputes, and keeps the money", _dispute_lost),
    ("long dispute", "payment", "inquires, disputes, and loses against the merchant", _long_dispute),
    ("inquiry", "payment", "has the bank inquire, which takes nothing", _inquiry),
    ("renewal", "subscription", "subscribes, and pays for a second period", _renewal),
    ("period refunded", "subscription", "subscribes, and is refunded at once", _period_refunded),
    ("renewal refunded", "subscription", "is refunded the second period", _renewal_refunded),
    ("subscription canceled", "subscription", "subscribes, and cancels at the period's end", _canceled),
    ("refund and dispute", "payment", "is refunded a half, disputes the rest, and loses", _refund_and_dispute),
    ("two purchases", "payment", "buys twice, and is refunded half of the first", _two_purchases),
)
STORIES: dict[str, Story] = dict(_SOLD) | {
    name: Story(name=name, mode="subscription", summary=given, play=play, has_other_prices=name in OF_OTHER_PRICES)
    for name, given, play in INVOICED
}
STORIES |= {
    name: Story(name=name, mode=mode, summary=given, play=play, shows_prices=mode == "subscription")
    for name, mode, given, play in SELLING
}
"""Every story by its name."""
