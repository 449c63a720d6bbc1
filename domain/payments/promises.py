"""Says what credits a one-time sale was promised: on the terms recorded at the checkout, or those of the catalogue."""

import attrs

from domain.payments.reports import SaleReport
from domain.values.money import Money
from domain.values.plans import MAX_CREDITS, Plan, Terms


def promised_terms(plan: Plan, sale: SaleReport) -> Terms | None:
    """Return the terms on which the plan was sold for the sale's amount; None if it was not sold for that.

    Recorded terms count at their own price alone: metadata that was copied to another sale promises nothing there.
    """
    attribution, subtotal = sale.attribution, sale.subtotal
    recorded = attribution.terms
    if recorded is not None:
        return recorded if attribution.accepts_price or recorded.price == subtotal else None
    return plan.terms_at(subtotal) or (_accepted_terms(plan, subtotal) if attribution.accepts_price else None)


def is_sold_in_currency(plan: Plan, sale: SaleReport) -> bool:
    """Return whether the plan is sold in the sale's currency, by the recorded terms or by the catalogue."""
    recorded = sale.attribution.terms
    return sale.subtotal.currency in ((recorded.price.currency,) if recorded is not None else plan.currencies)


def _accepted_terms(plan: Plan, paid: Money) -> Terms:
    """Return the terms for an amount that an operator accepted: the rate of a free amount applies beyond its limits."""
    free = plan.amount_in(paid.currency)
    if free is None:
        return plan.terms
    return attrs.evolve(plan.terms, credits=min(max(free.credits_for(paid.amount), 1), MAX_CREDITS))
