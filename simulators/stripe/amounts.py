"""Amounts of money in minor units, exact until they are rounded, once."""

from fractions import Fraction


def rounded(amount: Fraction | int) -> int:
    """The nearest whole amount; a half goes away from zero, so that what is taken off and given back are equal."""
    exact = Fraction(amount)
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return -size if exact < 0 else size
