"""Plans, the terms on which they were sold, and the catalogue."""

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import NewType

import attrs

from domain.values.money import Money

PlanId = NewType("PlanId", str)

MAX_CREDITS = 10**12
"""The maximum number of credits of one sale."""

DEFAULT_GRACE_DAYS = 3
"""The default number of days for which a period's credits outlast it while the renewal is being charged."""

MAX_GRACE = timedelta(days=90)
"""The maximum number of days for which a period's credits may outlast it."""


class PlanMode(enum.StrEnum):
    """The way in which a plan is paid; the names are Stripe Checkout's modes."""

    PAYMENT = "payment"
    SUBSCRIPTION = "subscription"


@attrs.frozen(kw_only=True)
class Terms:
    """The terms of a sale: the credits for this price (before discounts and tax).

    :raises ValueError: if the credits are not between 1 and :data:`MAX_CREDITS`.
    """

    credits: int
    price: Money

    def __attrs_post_init__(self) -> None:
        if isinstance(self.credits, bool) or not 1 <= self.credits <= MAX_CREDITS:
            raise ValueError(f"credits must be between 1 and {MAX_CREDITS}, not {self.credits}")


@attrs.frozen(kw_only=True)
class Plan:
    """A plan that customers can buy."""

    id: PlanId
    name: str
    terms: Terms
    mode: PlanMode = PlanMode.PAYMENT
    interval: str | None = None
    rollover: bool = False
    """Whether a period's unspent credits outlast it."""
    rollover_cap: int = 0
    """The most credits that roll over on the account in total; 0 means no cap."""
    expires_after_days: int = 0
    """Days from the payment until the credits of a pack expire; 0 means never."""
    grace_days: int = DEFAULT_GRACE_DAYS
    """Days for which a period's credits outlast it while its renewal is unpaid."""
    trial_credits: int = 0
    """Credits of a trial, once per account; they expire with it."""
    stripe_prices: tuple[str, ...] = ()
    """Ids of Stripe prices that belong to this plan, whatever their amounts."""
    saves_card: bool = False
    """Whether a checkout of a pack saves the card, so that the service may charge it later."""
    retired: bool = False
    """Whether it is no longer for sale; renewals and late payments of earlier sales still count."""


@attrs.frozen
class Catalogue:
    """All plans, in the order in which they are shown."""

    plans: Mapping[PlanId, Plan]

    @property
    def on_sale(self) -> tuple[Plan, ...]:
        """Return the plans that can be bought now."""
        return tuple(plan for plan in self.plans.values() if not plan.retired)

    def find(self, plan_id: str) -> Plan | None:
        """Return the plan with that id, or None."""
        return self.plans.get(PlanId(plan_id))

    def of_price(self, price_id: str | None) -> Plan | None:
        """Return the plan that lists the Stripe price, or None."""
        return next((plan for plan in self.plans.values() if price_id in plan.stripe_prices), None)
