"""Amounts of money are written as people write them."""

import pytest

from entrypoints.amounts import amount_in_words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (4900, "usd", "49.00 USD"),
        (5, "eur", "0.05 EUR"),
        (123456789, "usd", "1,234,567.89 USD"),
        (500, "jpy", "500 JPY"),
        (1500, "kwd", "1.500 KWD"),
        (-450, "usd", "-4.50 USD"),
        (2450, None, "24.50"),
    ],
)
def test_minor_units_in_words(amount: int, currency: str | None, words: str) -> None:
    """With the decimals that the currency has."""
    assert words == amount_in_words(amount, currency)
