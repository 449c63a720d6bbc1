"""Money as Stripe counts it: integers of a currency's minor unit."""

import re

import attrs

_CURRENCY = re.compile(r"[a-z]{3}")

MAX_AMOUNT = 10**12
"""The maximum amount in minor units. Stripe allows at most 12 digits, in a few currencies."""


@attrs.frozen(kw_only=True)
class Money:
    """An amount in minor units (cents, yen) of one currency.

    :raises ValueError: if the amount is negative or beyond :data:`MAX_AMOUNT`, or the currency is no
        lower-case ISO 4217 code, which is how Stripe writes them.
    """

    amount: int
    currency: str

    def __attrs_post_init__(self) -> None:
        if isinstance(self.amount, bool) or not 0 <= self.amount <= MAX_AMOUNT:
            raise ValueError(f"amount must be between 0 and {MAX_AMOUNT} minor units, not {self.amount}")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"currency must be three lower-case letters, not {self.currency!r}")
