"""Coupons, as requests ask for them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, refuse_unknown, require, text
from simulators.stripe.requests.refusals import invalid

DURATIONS = ("forever", "once", "repeating")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make a coupon; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    if (method, path) != ("POST", ["coupons"]):
        return None
    refuse_unknown(parameters, ("duration", "duration_in_months", "id", "percent_off"))
    require(parameters, "percent_off")
    percent = str(parameters["percent_off"])
    if not (percent.isascii() and percent.replace(".", "", 1).isdecimal() and 0 < Fraction(percent) <= 100):
        raise invalid("Invalid percent_off: must be above 0 and at most 100", "percent_off")
    duration = text(parameters, "duration") or "once"
    if duration not in DURATIONS:
        raise invalid(f"Invalid duration: must be one of {', '.join(DURATIONS)}", "duration")
    if duration == "repeating":
        require(parameters, "duration_in_months")
    months = count(parameters["duration_in_months"], "duration_in_months") if duration == "repeating" else None
    made = new_coupon(account, float(percent), duration=duration, months=months, coupon_id=text(parameters, "id"))
    account.report("coupon.created", made)
    return made
