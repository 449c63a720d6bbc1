"""The context in which the lines of an invoice are valued, and the terms on which a line was sold."""

from datetime import datetime
from fractions import Fraction

import attrs

from domain.payments.invoices import Line, LineKind
from domain.payments.reports import Attribution
from domain.values.plans import Catalogue, Plan, PlanMode, Terms
from domain.values.prices import PlanPrice


@attrs.frozen(kw_only=True)
class Claimed:
    """A trial or a free period that an account has had: it gets a plan's trial once, and a free plan once at a time."""

    plan_id: str
    kind: LineKind
    subscription_id: str
    starts_at: datetime
    ends_at: datetime


@attrs.frozen(kw_only=True)
class MadePrice:
    """A price that Credence created at Stripe, and the terms of one period; it never changes."""

    id: str
    plan_id: str
    credits: int
    unit_amount: str
    """The amount in minor units; a fraction such as `3/2`."""
    currency: str | None = None
    interval: str | None = None
    """The interval that was sold; None for a pack, and for prices that were recorded without it."""
    interval_count: int = 1


def made_price(price_id: str, sells: PlanPrice) -> MadePrice:
    """Return a price that Credence made, as the ledger keeps it."""
    return MadePrice(
        id=price_id,
        plan_id=sells.plan_id,
        credits=sells.credits,
        unit_amount=str(sells.money.amount),
        currency=sells.money.currency,
        interval=sells.interval,
        interval_count=sells.interval_count,
    )


@attrs.frozen
class Undecidable:
    """A line that belongs or may belong to a plan, and whose worth is unclear."""

    reason: str
    price_id: str | None


@attrs.frozen(kw_only=True)
class SoldTerms:
    """A line's plan, with the credits and the price of one period on which it was sold."""

    plan: Plan
    credits: int
    unit_amount: Fraction
    currency: str
    by_id: bool


@attrs.frozen(kw_only=True)
class LineTerms:
    """The context in which the lines of an invoice are valued."""

    catalogue: Catalogue
    attribution: Attribution
    """The attribution in the subscription's metadata."""
    recorded: tuple[Line, ...] = ()
    """The lines of the subscription's other invoices."""
    claimed: tuple[Claimed, ...] = ()
    """The trials and free periods that the account has had."""
    made: tuple[MadePrice, ...] = ()
    """Those of the invoice's prices that Credence is known to have created."""


def named_terms(terms: LineTerms, currency: str | None) -> SoldTerms | None:
    """Return the terms in the subscription's metadata; without recorded ones, the named plan's in that currency."""
    attribution = terms.attribution
    plan = terms.catalogue.find(attribution.plan_id) if attribution.plan_id is not None else None
    if plan is None or plan.mode is not PlanMode.SUBSCRIPTION:
        return None
    return sold_terms(plan, attribution.terms or plan.terms_in(currency) or plan.terms)


def sold_at(made: MadePrice, plan: Plan, currency: str | None) -> SoldTerms:
    """Return the terms of a price that Credence made: a renewal goes on with them, whatever the catalogue says now."""
    if made.interval is not None:
        plan = attrs.evolve(plan, interval=made.interval, interval_count=made.interval_count)
    return SoldTerms(
        plan=plan,
        credits=made.credits,
        unit_amount=Fraction(made.unit_amount),
        currency=currency or made.currency or plan.terms.price.currency,
        by_id=True,
    )


def sold_terms(plan: Plan, terms: Terms) -> SoldTerms:
    """Return a plan's terms as those of a line whose price's id does not identify it."""
    price = terms.price
    return SoldTerms(
        plan=plan, credits=terms.credits, unit_amount=Fraction(price.amount), currency=price.currency, by_id=False
    )
