"""Writes the parameters of a price, wherever one is made: by a push, in a checkout, or for a change of plan."""

from typing import Any

from adapters.stripe.objects.prices import PRICE_CREDITS_KEY, PRICE_PLAN_KEY
from domain.values.prices import PlanPrice


def terms_of(sells: PlanPrice) -> dict[str, Any]:
    """Return the parameters for the amount, the interval and the tax of a price."""
    terms: dict[str, Any] = {"currency": sells.money.currency, "unit_amount": sells.money.amount}
    if sells.interval is not None:
        terms["recurring"] = {"interval": sells.interval, "interval_count": sells.interval_count}
    if sells.tax_behavior is not None:
        terms["tax_behavior"] = sells.tax_behavior.value
    return terms


def metadata_of(sells: PlanPrice) -> dict[str, str]:
    """Return the metadata by which a price says what it sells."""
    return {PRICE_PLAN_KEY: sells.plan_id, PRICE_CREDITS_KEY: str(sells.credits)}
