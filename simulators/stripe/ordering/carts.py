"""Carts: what an open session sells, how many, and what a promotion code and taxes do to what it costs."""

from collections.abc import Sequence
from fractions import Fraction

import attrs

from simulators.stripe.objects import Object, line_item
from simulators.stripe.ordering.totals import Total, session_totals, total_of
from simulators.stripe.requests.refusals import invalid


@attrs.define(kw_only=True)
class Cart:
    """Prices, each so many times, and what the customer changed on the page."""

    items: list[tuple[Object, int]]
    limits: tuple[int, int] | None = None
    """How few and how many of the first item the customer may choose; None: its quantity is fixed."""
    is_taxed: bool = False
    promotion: Object | None = None
    """The promotion code that the customer entered."""
    percent_off: Fraction = Fraction(0)

    @property
    def ordered(self) -> list[tuple[str, int]]:
        """Return the id of each price, and how many times."""
        return [(price["id"], quantity) for price, quantity in self.items]

    @property
    def totals(self) -> Object:
        """Return what it costs, as a session shows it."""
        return session_totals(self._totals())

    def line_items(self, session_id: str) -> list[Object]:
        """Return what is sold, item by item."""
        return [
            line_item(
                f"li_{session_id[8:]}{place}",
                price,
                quantity,
                limits=None if place else self.limits,
                amount_discount=total.discount,
                amount_subtotal=total.subtotal,
                amount_tax=total.tax,
                amount_total=total.total,
            )
            for place, ((price, quantity), total) in enumerate(zip(self.items, self._totals(), strict=True))
        ]

    def adjust(self, quantity: int) -> None:
        """Let the customer change the quantity of the first item.

        :raises Refusal: if it is fixed, or not within its limits.
        """
        if self.limits is None or not self.limits[0] <= quantity <= self.limits[1]:
            raise invalid("This quantity can't be chosen.", "quantity")
        self.items[0] = (self.items[0][0], quantity)

    def redeem(self, promotion: Object, coupon: Object) -> list[Object]:
        """Let a promotion code take its coupon's percentage off; gives the discounts that the session shows."""
        self.promotion, self.percent_off = promotion, Fraction(str(coupon["percent_off"]))
        return [{"coupon": coupon["id"], "promotion_code": promotion["id"]}]

    def used_coupon(self) -> str | None:
        """Return the coupon of the promotion code, which is redeemed by this; None if there is none."""
        if self.promotion is None:
            return None
        self.promotion["times_redeemed"] += 1
        return str(self.promotion["promotion"]["coupon"])

    def _totals(self) -> Sequence[Total]:
        return [
            total_of(price, quantity, percent_off=self.percent_off, is_taxed=self.is_taxed)
            for price, quantity in self.items
        ]
