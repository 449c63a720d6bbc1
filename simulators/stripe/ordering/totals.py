"""Totals of what a checkout sells: a percentage off, and a simulated tax, on top of a price or within it."""

from collections.abc import Sequence
from fractions import Fraction

import attrs

from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object

TAX_PERCENT = 20
"""The simulated tax, wherever the buyer lives."""


@attrs.frozen(kw_only=True)
class Total:
    """The cost of some of one price, in minor units; a tax within the price is part of the total as it is."""

    subtotal: int
    discount: int
    tax: int
    total: int


def total_of(price: Object, quantity: int, *, percent_off: Fraction = Fraction(0), is_taxed: bool = False) -> Total:
    """Return what a price costs so many times."""
    subtotal = price["unit_amount"] * quantity
    discount = rounded(subtotal * percent_off / 100)
    net = subtotal - discount
    tax = tax_on(net, price) if is_taxed else 0
    return Total(subtotal=subtotal, discount=discount, tax=tax, total=net if is_within(price) else net + tax)


def tax_on(net: int, price: Object | None) -> int:
    """Return the tax on an amount after discounts; below zero where the amount is."""
    return rounded(Fraction(net * TAX_PERCENT, 100 + TAX_PERCENT if is_within(price) else 100))


def is_within(price: Object | None) -> bool:
    """Return whether a price includes its tax; by the account's settings, one that does not say so excludes it."""
    return price is not None and price["tax_behavior"] == "inclusive"


def session_totals(totals: Sequence[Total]) -> Object:
    """Return the totals as a session shows them."""
    return {
        "amount_subtotal": sum(one.subtotal for one in totals),
        "amount_total": sum(one.total for one in totals),
        "total_details": {
            "amount_discount": sum(one.discount for one in totals),
            "amount_shipping": 0,
            "amount_tax": sum(one.tax for one in totals),
        },
    }
