"""Amounts of money in minor units, exact until they are rounded, once."""

from fractions import Fraction


def rounded(amount: Fraction | int) -> int:
    """Return the nearest whole amount; a half goes away from zero, so that giving back equals taking off."""
    exact = Fraction(amount)
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return -size if exact < 0 else size
