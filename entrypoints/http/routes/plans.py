"""`GET /plans`: the catalogue, for anyone."""

from collections.abc import Mapping

import attrs
from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.values.checkout_options import Ui
from domain.values.free_amounts import FreeAmount
from domain.values.plans import Plan, PlanMode
from entrypoints.http.openapi import problem_responses
from entrypoints.presenting import present
from entrypoints.services import Services


@attrs.frozen
class BonusOnSale:
    """Further credits, in percent, for amounts from `amount` minor units on; of several, the largest applies."""

    amount: int
    percent: int


@attrs.frozen
class AmountsOnSale:
    """The amounts of a currency among which a buyer may choose: `credits` for every `per` of its minor units."""

    currency: str
    min: int
    max: int
    credits: int
    per: int
    bonuses: tuple[BonusOnSale, ...]


@attrs.frozen
class QuantityOnSale:
    """The limits of a quantity; with `adjustable`, the buyer may change the quantity on Stripe's page."""

    min: int
    max: int
    adjustable: bool


@attrs.frozen(kw_only=True)
class PlanOnSale:
    """A plan; `price` is in minor units of `currency`, paid once or every `interval_count` intervals.

    `prices` has its price in each currency. If the buyer chooses the amount, `prices` is empty, `amounts` has the
    limits and the rate in each currency, and `price` and `credits` are those of the smallest amount. Without a
    `quantity`, one is sold at a time. `ui` is `hosted` on Stripe's page, or `embedded` in your own.

    `expires_after_days` is for one-time plans; 0 means that their credits do not expire. The remaining fields are for
    subscriptions: with `rollover`, unspent credits outlast their period, at most `rollover_cap` of them in all (0: no
    cap); a first subscription begins with a trial of `trial_days`; `trial_credits` can be used during a trial, and
    expire with it.
    """

    id: str
    name: str
    credits: int
    price: int
    currency: str
    prices: Mapping[str, int]
    amounts: tuple[AmountsOnSale, ...]
    quantity: QuantityOnSale | None
    mode: PlanMode
    interval: str | None
    interval_count: int
    ui: Ui
    expires_after_days: int
    rollover: bool
    rollover_cap: int
    trial_days: int
    trial_credits: int


@attrs.frozen
class PlansOnSale:
    """Every plan on sale, in the catalogue's order."""

    plans: tuple[PlanOnSale, ...]


@get("/plans", tags=["Catalogue"], responses=problem_responses())
async def list_plans(services: NamedDependency[SkipValidation[Services]]) -> PlansOnSale:
    """List the plans on sale."""
    return PlansOnSale(tuple(map(_on_sale, services.checkout.catalogue.on_sale)))


def _on_sale(plan: Plan) -> PlanOnSale:
    terms, limits = plan.terms, plan.quantity
    return present(
        PlanOnSale,
        plan,
        credits=terms.credits,
        price=terms.price.amount,
        currency=terms.price.currency,
        prices={price.currency: price.amount for price in plan.fixed_prices},
        amounts=tuple(map(_amounts, plan.amounts)),
        quantity=present(QuantityOnSale, limits, min=limits.least, max=limits.most) if limits else None,
        ui=plan.checkout.ui,
    )


def _amounts(free: FreeAmount) -> AmountsOnSale:
    bonuses = tuple(present(BonusOnSale, bonus) for bonus in free.bonuses)
    return present(AmountsOnSale, free, min=free.least, max=free.most, bonuses=bonuses)
