"""Reads what a checkout's line items and its subscription ask for beyond a price: quantities, tax, periods, trials."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.requests.parameters import boolean, count, mapping, text
from simulators.stripe.requests.refusals import invalid

MAX_INTERVALS = {"day": 1095, "week": 156, "month": 36, "year": 3}
MAX_QUANTITY = 999_999
MAX_TRIAL_DAYS = 730


def interval_count_of(parameters: Mapping[str, Any]) -> int:
    """Return how many intervals a period of what is ordered has.

    :raises Refusal: if it is longer than three years.
    """
    for line in mapping(parameters, "line_items").values():
        recurs = mapping(mapping(line, "price_data"), "recurring", "price_data")
        place = "line_items[0][price_data][recurring][interval_count]"
        found = count(recurs.get("interval_count", "1"), place)
        if not 1 <= found <= MAX_INTERVALS.get(str(recurs.get("interval")), 1):
            raise invalid("The maximum is three years: 36 months, 156 weeks or 1095 days.", place)
        return found
    return 1


def trial_days_of(subscription: Mapping[str, Any]) -> int:
    """Return how many days a subscription's trial has.

    :raises Refusal: if it is no number of days that Stripe takes.
    """
    place = "subscription_data[trial_period_days]"
    if "trial_period_days" not in subscription:
        return 0
    found = count(subscription["trial_period_days"], place)
    if not 1 <= found <= MAX_TRIAL_DAYS:
        raise invalid(f"The trial must be from 1 to {MAX_TRIAL_DAYS} days long.", place)
    return found


def limits_of(line: Mapping[str, Any], quantity: int, place: str) -> tuple[int, int] | None:
    """Return how few and how many of a line the buyer may choose; None if the quantity is fixed.

    :raises Refusal: if the quantity is not within the limits.
    """
    given = mapping(line, "adjustable_quantity", place)
    place += "[adjustable_quantity]"
    if not boolean(given, "enabled", place):
        return None
    least = count(given.get("minimum", "0"), f"{place}[minimum]")
    most = count(given.get("maximum", "99"), f"{place}[maximum]")
    if not least <= quantity <= most <= MAX_QUANTITY:
        raise invalid(f"The quantity must be from minimum to maximum, which is at most {MAX_QUANTITY}.", place)
    return least, most


def tax_behavior_of(price: Mapping[str, Any], place: str) -> str:
    """Return whether a price includes its tax.

    :raises Refusal: if it is no word of Stripe's.
    """
    found = text(price, "tax_behavior") or "unspecified"
    if found not in ("exclusive", "inclusive", "unspecified"):
        raise invalid("Invalid tax_behavior: must be exclusive, inclusive or unspecified", f"{place}[tax_behavior]")
    return found
