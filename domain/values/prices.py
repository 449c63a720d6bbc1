"""Prices at which plans are sold, and how they stand at the provider."""

from collections.abc import Iterable

import attrs

from domain.values.money import Money
from domain.values.plans import Plan, PlanId

MAX_LOOKUP_KEY = 200
"""The most characters of a lookup key at Stripe."""


@attrs.frozen(kw_only=True)
class PlanPrice:
    """The terms of a price: credits of a plan for this money, once or for each interval."""

    plan_id: PlanId
    credits: int
    money: Money
    interval: str | None = None
    """`day`, `week`, `month` or `year`; None for a one-time pack."""
    interval_count: int = 1

    @property
    def lookup_key(self) -> str:
        """Return the key by which the price for new sales is found at the provider, at most 200 characters."""
        return f"credence_{self.plan_id}_{self.money.currency}"


@attrs.frozen(kw_only=True)
class PushedPrice:
    """A price at the provider that was made from the catalogue, as the ledger records it."""

    id: str
    product_id: str
    sells: PlanPrice
    is_for_sale: bool
    """Whether new checkouts may use it; renewals go on with it either way."""


@attrs.frozen(kw_only=True)
class ProviderPrice:
    """A price of a product as the provider has it."""

    id: str
    is_active: bool
    lookup_key: str | None
    sells: PlanPrice | None
    """What it sells if it was pushed and still says so; None for any other price."""


@attrs.frozen(kw_only=True)
class ProviderProduct:
    """A plan's product as the provider has it, with all of its prices, archived ones included."""

    id: str
    name: str
    is_active: bool
    default_price: str | None
    prices: tuple[ProviderPrice, ...] = ()


def product_of(plan_id: str) -> str:
    """Return the id of the plan's product at the provider: it is chosen by us, so that there can be only one."""
    return f"credence_{plan_id}"


def prices_of(plan: Plan) -> tuple[PlanPrice, ...]:
    """Return the prices at which the plan is sold now, the main one first; none if it is retired."""
    if plan.retired:
        return ()
    terms = plan.terms
    return (PlanPrice(plan_id=plan.id, credits=terms.credits, money=terms.price, interval=plan.interval),)


def price_selling(wanted: PlanPrice, pushed: Iterable[PushedPrice]) -> PushedPrice | None:
    """Return the pushed price that is for sale on exactly these terms, or None."""
    return next((price for price in pushed if price.is_for_sale and price.sells == wanted), None)
