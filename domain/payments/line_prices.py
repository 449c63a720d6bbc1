"""Compares the price of an invoice's line with those at which a plan is sold, in each currency and for each period."""

from datetime import timedelta
from fractions import Fraction

from domain.payments.line_terms import SoldTerms
from domain.payments.reports import Attribution, InvoiceLine
from domain.values.money import Money
from domain.values.plans import Plan

_DAYS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "year": (365, 366)}
"""The shortest and the longest length of each Stripe interval, in days."""


def fits(line: InvoiceLine, terms: SoldTerms) -> bool:
    """Return whether the line's price is the terms': the amount, the currency, and the length of the period."""
    price, plan = line.price, terms.plan
    if price.unit_amount is None or price.unit_amount != terms.unit_amount:
        return False
    if price.currency is not None and price.currency != terms.currency:
        return False
    if price.interval is not None:
        return (price.interval, price.interval_count) == (plan.interval, plan.interval_count)
    return line.is_proration or periods_spanned(line, plan) > 0


def periods_spanned(line: InvoiceLine, plan: Plan) -> int:
    """Return how many of the plan's periods the line's spans; 0 if it is not a whole number."""
    shortest, longest = (days * plan.interval_count for days in _DAYS[plan.interval or "month"])
    days = round((line.ends_at - line.starts_at) / timedelta(days=1))
    count = max(round(days * 2 / (shortest + longest)), 1)
    # Allow a day more or less: clocks change, and months differ in length.
    return count if shortest * count - 1 <= days <= longest * count + 1 else 0


def catalogue_price(plan: Plan, currency: str | None) -> Money:
    """Return the plan's price in the currency; in its own if it has none in that one."""
    return (plan.terms_in(currency) or plan.terms).price


def is_sold_at(plan: Plan, unit_amount: Fraction, currency: str | None, attribution: Attribution) -> bool:
    """Return whether the plan is sold at the amount, by the catalogue or by the subscription's metadata."""
    listed = any(unit_amount == one.amount and currency in (None, one.currency) for one in plan.fixed_prices)
    return listed or _was_agreed(plan, unit_amount, currency, attribution)


def credits_at(plan: Plan, unit_amount: Fraction, currency: str | None, attribution: Attribution) -> int:
    """Return the credits of the plan at that price: those recorded at the sale, otherwise the catalogue's."""
    if attribution.terms is not None and _was_agreed(plan, unit_amount, currency, attribution):
        return attribution.terms.credits
    return plan.terms.credits


def _was_agreed(plan: Plan, unit_amount: Fraction, currency: str | None, attribution: Attribution) -> bool:
    """Return whether the subscription's metadata records terms for that plan at that price."""
    if attribution.terms is None or attribution.plan_id != plan.id:
        return False
    agreed = attribution.terms.price
    return agreed.amount == unit_amount and currency in (None, agreed.currency)
