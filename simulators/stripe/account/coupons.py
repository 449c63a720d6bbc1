"""Coupons of a simulated Stripe account: percentages off, once, for some months, or forever."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from simulators.stripe.account.prices import PERIODS
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, refuse_unknown, require, text
from simulators.stripe.requests.refusals import invalid

if TYPE_CHECKING:
    from simulators.stripe.account.account import StripeAccount

DURATIONS = ("forever", "once", "repeating")
SOURCES_COME = "2025-09-30"
"""Versions from here on name a discount's coupon in its source: docs.stripe.com/changelog/clover/2025-09-30."""


def change(account: "StripeAccount", method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
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


def new_coupon(
    account: "StripeAccount",
    percent_off: float,
    *,
    duration: str = "forever",
    months: int | None = None,
    coupon_id: str | None = None,
) -> Object:
    """A coupon, which exists from now on."""
    made: Object = {
        "id": coupon_id or account.new_id("")[:8],
        "object": "coupon",
        "amount_off": None,
        "created": account.now(),
        "currency": None,
        "duration": duration,
        "duration_in_months": months,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "name": None,
        "percent_off": percent_off,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }
    account.keep(made)
    return made


def new_discount(account: "StripeAccount", coupon: Object, *, customer: str, subscription: str) -> Object:
    """The discount that a coupon gives a subscription from now on."""
    now, months = account.now(), coupon["duration_in_months"]
    coupon["times_redeemed"] += 1
    return {
        "id": account.new_id("di_"),
        "object": "discount",
        "customer": customer,
        "end": now + months * PERIODS["month"] if coupon["duration"] == "repeating" else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "start": now,
        "subscription": subscription,
        "_coupon": coupon,
    }


def discount_of(kept: Object, date: str) -> Object:
    """A discount as a version of the API shows it."""
    fields = {name: value for name, value in kept.items() if not name.startswith("_")}
    if date >= SOURCES_COME:
        return fields | {"source": {"coupon": kept["_coupon"]["id"], "type": "coupon"}}
    return fields | {"coupon": dict(kept["_coupon"])}


def is_in_force(discount: Object | None, at: int) -> bool:
    """Whether a discount takes something off what is billed at this moment."""
    return discount is not None and (discount["end"] is None or at < discount["end"])


def taken_off(amount: int, discount: Object | None) -> int:
    """What a discount takes off an amount, in minor units; below zero where the amount is."""
    if discount is None:
        return 0
    return rounded(amount * Fraction(str(discount["_coupon"]["percent_off"])) / 100)
