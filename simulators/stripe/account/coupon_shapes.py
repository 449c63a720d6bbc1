"""Stripe's discounts, kept in one shape and shown in that of an API version."""

from simulators.stripe.objects import Object

SOURCES_COME = "2025-09-30"
"""Versions from here on name a discount's coupon in its source: docs.stripe.com/changelog/clover/2025-09-30."""


def discount_of(kept: Object, date: str) -> Object:
    """Return a discount as a version of the API shows it."""
    fields = {name: value for name, value in kept.items() if not name.startswith("_")}
    if date >= SOURCES_COME:
        return fields | {"source": {"coupon": kept["_coupon"]["id"], "type": "coupon"}}
    return fields | {"coupon": dict(kept["_coupon"])}
