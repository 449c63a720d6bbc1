"""Coupons of a simulated Stripe account: percentages off, once, for some months, or forever."""

from fractions import Fraction

from simulators.stripe.account.books import Books
from simulators.stripe.account.prices import PERIODS
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object


def new_coupon(
    books: Books,
    percent_off: float,
    *,
    duration: str = "forever",
    months: int | None = None,
    coupon_id: str | None = None,
) -> Object:
    """Return a coupon, which exists from now on."""
    made: Object = {
        "id": coupon_id or books.new_id("")[:8],
        "object": "coupon",
        "amount_off": None,
        "created": books.now(),
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
    books.keep(made)
    return made


def new_discount(books: Books, coupon: Object, *, customer: str, subscription: str) -> Object:
    """Return the discount that a coupon gives a subscription from now on."""
    now, months = books.now(), coupon["duration_in_months"]
    coupon["times_redeemed"] += 1
    return {
        "id": books.new_id("di_"),
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


def is_in_force(discount: Object | None, at: int) -> bool:
    """Return whether a discount takes something off what is billed at this moment."""
    return discount is not None and (discount["end"] is None or at < discount["end"])


def taken_off(amount: int, discount: Object | None) -> int:
    """Return what a discount takes off an amount, in minor units; below zero where the amount is."""
    if discount is None:
        return 0
    return rounded(amount * Fraction(str(discount["_coupon"]["percent_off"])) / 100)
