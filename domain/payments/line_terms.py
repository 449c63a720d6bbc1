"""What is known when the lines of an invoice are valued, and the terms on which one was sold."""

from datetime import datetime
from fractions import Fraction

import attrs

from domain.payments.invoices import Line, LineKind
from domain.payments.reports import Attribution
from domain.values.plans import Catalogue, Plan, PlanMode


@attrs.frozen(kw_only=True)
class Claimed:
    """A trial or a period of a free plan that an account has had: each plan gives them once, or once at a time."""

    plan_id: str
    kind: LineKind
    subscription_id: str
    starts_at: datetime
    ends_at: datetime


@attrs.frozen(kw_only=True)
class MadePrice:
    """A price that Credence made at Stripe, and what one interval of it was sold as; it never changes."""

    id: str
    plan_id: str
    credits: int
    unit_amount: str
    """In minor units; a fraction such as `3/2`."""


@attrs.frozen
class Undecidable:
    """A line that is of a plan of ours, or may be, and whose worth can't be told."""

    reason: str
    price_id: str | None


@attrs.frozen(kw_only=True)
class SoldTerms:
    """The plan that a line is of, with the credits and the price of one interval on which it was sold."""

    plan: Plan
    credits: int
    unit_amount: Fraction
    by_id: bool


@attrs.frozen(kw_only=True)
class LineTerms:
    """What is known when the lines of an invoice are valued."""

    catalogue: Catalogue
    attribution: Attribution
    """Who bought what, by the subscription's metadata."""
    recorded: tuple[Line, ...] = ()
    """Lines of the subscription's other invoices."""
    claimed: tuple[Claimed, ...] = ()
    """Trials and free periods that the account has had."""
    made: tuple[MadePrice, ...] = ()
    """Those of the invoice's prices that Credence made, as far as that is known."""


def named_terms(terms: LineTerms) -> SoldTerms | None:
    """Return what the subscription's metadata says was sold."""
    attribution = terms.attribution
    plan = terms.catalogue.find(attribution.plan_id) if attribution.plan_id is not None else None
    if plan is None or plan.mode is not PlanMode.SUBSCRIPTION:
        return None
    agreed = attribution.terms or plan.terms
    return SoldTerms(plan=plan, credits=agreed.credits, unit_amount=Fraction(agreed.price.amount), by_id=False)
