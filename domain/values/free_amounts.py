"""Free amounts: credits for whatever amount the buyer chooses, by a rate and bonuses."""

from fractions import Fraction

import attrs

from domain.values.money import MAX_AMOUNT

MAX_PERCENT = 1_000
"""The largest bonus, in percent of the credits that the rate gives."""


@attrs.frozen(kw_only=True)
class Bonus:
    """Further credits for amounts from `amount` minor units on, in percent of what the rate gives."""

    amount: int
    percent: int


@attrs.frozen(kw_only=True)
class FreeAmount:
    """The amounts of one currency among which a buyer may choose, and what they bring.

    The rate is `credits` for every `per` minor units. Of the bonuses the one with the largest amount counts that the
    buyer reaches, for all of the credits. So more money never brings fewer credits.

    :raises ValueError: if the limits, the rate or the bonuses are not so.
    """

    currency: str
    least: int
    """The smallest amount, in minor units."""
    most: int
    """The largest amount, in minor units."""
    credits: int
    per: int
    """The minor units that bring `credits`."""
    bonuses: tuple[Bonus, ...] = ()
    """In the order of their amounts."""

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= MAX_AMOUNT:
            raise ValueError(f"min must be at least 1, and max between min and {MAX_AMOUNT} minor units")
        if self.credits < 1 or self.per < 1:
            raise ValueError("credits and per must be at least 1")
        amounts = [one.amount for one in self.bonuses]
        percents = [0, *(one.percent for one in self.bonuses), MAX_PERCENT]
        if sorted(set(amounts)) != amounts or sorted(percents) != percents:
            raise ValueError(
                f"each bonus needs a larger amount than the one before, and at least its percent, at most {MAX_PERCENT}"
            )
        if self.credits_for(self.least) < 1:
            raise ValueError(f"the smallest amount, {self.least}, brings no credits")

    def credits_for(self, amount: int) -> int:
        """Return the credits that an amount in minor units brings, rounded down."""
        percent = max((one.percent for one in self.bonuses if one.amount <= amount), default=0)
        return int(Fraction(amount * self.credits * (100 + percent), self.per * 100))
