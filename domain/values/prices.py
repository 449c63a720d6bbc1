"""Prices at which plans are sold, and how they stand at the provider."""

from collections.abc import Iterable

import attrs

from domain.values.checkout_options import TaxBehavior
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, Terms

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
    tax_behavior: TaxBehavior | None = None
    """The way in which it is taxed; None leaves that to the provider's settings."""

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
    tax_code: str | None = None
    prices: tuple[ProviderPrice, ...] = ()


def product_of(plan_id: str) -> str:
    """Return the id of the plan's product at the provider: it is chosen by us, so that there can be only one."""
    return f"credence_{plan_id}"


def prices_of(plan: Plan) -> tuple[PlanPrice, ...]:
    """Return the prices at which the plan is sold now, the main one first.

    None if it is retired, or if the buyer chooses the amount.
    """
    if plan.retired:
        return ()
    return tuple(
        PlanPrice(
            plan_id=plan.id,
            credits=plan.terms.credits,
            money=money,
            interval=plan.interval,
            interval_count=plan.interval_count,
            tax_behavior=plan.checkout.tax_behavior,
        )
        for money in plan.fixed_prices
    )


def price_selling(plan: Plan, terms: Terms, pushed: Iterable[PushedPrice]) -> PushedPrice | None:
    """Return the pushed price that sells the plan on exactly these terms, if they are its present ones; else None."""
    wanted = [one for one in prices_of(plan) if (one.credits, one.money) == (terms.credits, terms.price)]
    return next((price for price in pushed if price.is_for_sale and price.sells in wanted), None)


def price_in(plan: Plan, currency: str | None) -> PlanPrice | None:
    """Return the price at which the plan is sold now in a currency, or None if it is not."""
    return next((one for one in prices_of(plan) if one.money.currency == currency), None)
