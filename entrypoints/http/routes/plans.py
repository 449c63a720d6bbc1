"""`GET /plans`: the catalogue, for anyone."""

import attrs
from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.values.plans import Plan, PlanMode
from entrypoints.http.openapi import problem_responses
from entrypoints.presenting import present
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class PlanOnSale:
    """A plan; `price` is in minor units of `currency`, paid once or every `interval`.

    `expires_after_days` is for one-time plans; 0 means that their credits do not expire. The remaining fields are for
    subscriptions: with `rollover`, unspent credits outlast their period, at most `rollover_cap` of them in all (0: no
    cap); `trial_credits` can be used during a trial, and expire with it.
    """

    id: str
    name: str
    credits: int
    price: int
    currency: str
    mode: PlanMode
    interval: str | None
    expires_after_days: int
    rollover: bool
    rollover_cap: int
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
    terms = plan.terms
    return present(PlanOnSale, plan, credits=terms.credits, price=terms.price.amount, currency=terms.price.currency)
