"""Amounts of money in words: minor units as a person writes them."""

_WITHOUT_DECIMALS = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_WITH_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def amount_in_words(amount: int, currency: str | None) -> str:
    """Return an amount in minor units as a decimal number with its currency, where that is known: `49.00 USD`."""
    code = currency or ""
    if code in _WITHOUT_DECIMALS:
        return f"{amount:,} {code.upper()}"
    decimals = 3 if code in _WITH_THREE_DECIMALS else 2
    whole, rest = divmod(abs(amount), 10**decimals)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}.{rest:0{decimals}} {code.upper()}".rstrip()
