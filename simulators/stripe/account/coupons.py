"""Coupons of a simulated Stripe account: percentages off, once, for some months, or forever."""

from fractions import Fraction

from simulators.stripe.account.books import Books
from simulators.stripe.account.prices import PERIODS
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid


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


def new_discount(books: Books, coupon: Object, *, customer: str | None, subscription: str | None) -> Object:
    """Return the discount that a coupon gives a subscription from now on, or one sale."""
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


def redeemable(books: Books, code: str, session: Object) -> tuple[Object, Object]:
    """Return the promotion code with these letters, and its coupon.

    :raises Refusal: if the session takes none, or there is no such code that still counts.
    """
    wanted = code.strip().casefold() if session["allow_promotion_codes"] else ""
    found = next((one for one in books.all_kept("promotion_code") if _counts(one, wanted)), None)
    if found is None:
        raise invalid("This code is invalid.", "promotion_code")
    return found, books.kept("coupon", found["promotion"]["coupon"])


def _counts(promotion: Object, wanted: str) -> bool:
    most = promotion["max_redemptions"]
    is_left = most is None or promotion["times_redeemed"] < most
    return bool(promotion["code"].casefold() == wanted and promotion["active"] and is_left)
