"""Plans, the terms on which they were sold, and the catalogue."""

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import NewType

import attrs

from domain.values.checkout_options import CheckoutOptions, Quantity
from domain.values.free_amounts import FreeAmount
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
    interval_count: int = 1
    """The number of intervals in one period, which is what `terms` are for."""
    prices: tuple[Money, ...] = ()
    """Its prices in further currencies, for the same credits."""
    amounts: tuple[FreeAmount, ...] = ()
    """The amounts among which the buyer chooses, one per currency; then `terms` are those of the smallest."""
    quantity: Quantity | None = None
    """How many one checkout may sell; None means one."""
    trial_days: int = 0
    """Days before the first payment, once per account and plan; 0 means no trial."""
    checkout: CheckoutOptions = CheckoutOptions()
    rollover: bool = False
    """Whether a period's unspent credits outlast it."""
    rollover_cap: int = 0
    """The most credits that roll over on the account in total; 0 means no cap."""
    expires_after_days: int = 0
    """Days from the payment until the credits of a pack expire; 0 means never."""
    grace_days: int = DEFAULT_GRACE_DAYS
    """Days for which a period's credits outlast it while its renewal is unpaid."""
    trial_credits: int = 0
    """Credits of a trial, once per account and plan; they expire with it."""
    stripe_prices: tuple[str, ...] = ()
    """Ids of Stripe prices that belong to this plan, whatever their amounts."""
    saves_card: bool = False
    """Whether a checkout of a pack saves the card, so that the service may charge it later."""
    retired: bool = False
    """Whether it is no longer for sale; renewals and late payments of earlier sales still count."""

    @property
    def fixed_prices(self) -> tuple[Money, ...]:
        """Return the plan's price in each currency, its own first; none if the buyer chooses the amount."""
        return () if self.amounts else (self.terms.price, *self.prices)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Return the currencies in which it is sold, its own first."""
        return tuple(one.currency for one in self.amounts or self.fixed_prices)

    def terms_in(self, currency: str | None) -> Terms | None:
        """Return the terms in a currency, its own if None; None if it has no fixed price in that currency."""
        fixed = (one for one in self.fixed_prices if currency in (None, one.currency))
        return next((Terms(credits=self.terms.credits, price=one) for one in fixed), None)

    def amount_in(self, currency: str) -> FreeAmount | None:
        """Return the amounts among which the buyer may choose in a currency, or None if there are none."""
        return next((one for one in self.amounts if one.currency == currency), None)

    def terms_at(self, price: Money) -> Terms | None:
        """Return the terms on which it is sold at that price, or None if it is not."""
        free = self.amount_in(price.currency)
        if free is not None:
            is_offered = free.least <= price.amount <= free.most
            return Terms(credits=free.credits_for(price.amount), price=price) if is_offered else None
        terms = self.terms_in(price.currency)
        return terms if terms is not None and terms.price == price else None


@attrs.frozen
class Catalogue:
    """All plans, in the order in which they are shown."""

    plans: Mapping[PlanId, Plan]
    one_subscription: bool = True
    """Whether an account has one live subscription at most; a change of plan replaces a second one."""

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
