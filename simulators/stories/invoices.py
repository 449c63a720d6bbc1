"""Invoices in the simulators' own words: what their lines sell and give back, and what credit notes take off them.

Amounts are in minor units, times in seconds since 1970, and ends are exclusive.
"""

from collections.abc import Mapping
from typing import Any

import attrs

PERIOD, REST = "period", "rest"


@attrs.frozen(kw_only=True)
class SoldTime:
    """A line that sells time of a plan: a whole period, or the rest of one."""

    line: str
    kind: str
    plan: str
    interval: str
    credits: int
    """Of one whole period, once."""
    unit: int
    """The price of one whole period, once."""
    quantity: int
    amount: int
    """Before discounts, unless the line shows only what is left after them."""
    net: int
    by_time: bool = False
    """Whether the amount does not tell how much of the period it is."""
    start: int
    end: int
    item: str | None
    price: str


@attrs.frozen(kw_only=True)
class TimeBack:
    """A line that gives unused time back, and the line that it credits, where it names one."""

    line: str
    amount: int
    start: int
    end: int
    item: str | None
    price: str
    of_invoice: str | None = None
    of_line: str | None = None


@attrs.frozen(kw_only=True)
class Bill:
    """A paid invoice of a subscription."""

    invoice: str
    subscription: str
    customer: str
    created: int
    paid: int
    total: int
    """All that its lines add, of whatever product, after discounts."""
    never_paid: int = 0
    sold: tuple[SoldTime, ...] = ()
    back: tuple[TimeBack, ...] = ()


@attrs.frozen(kw_only=True)
class Note:
    """A credit note: what it took off before the payment, and gave back after it."""

    note: str
    before: int
    after: int
    refunds: tuple[tuple[str, int], ...] = ()
    """The refunds that it lists, and how much of each is its own."""
    lines: tuple[tuple[str | None, int], ...] = ()
    """The invoice's lines that it names, and how much of each; None is the whole invoice."""


def bill_of_json(fields: Mapping[str, Any]) -> Bill:
    """Return the bill that a JSON object says, as `attrs.asdict` makes it."""
    parts = {
        "sold": tuple(SoldTime(**one) for one in fields["sold"]),
        "back": tuple(TimeBack(**one) for one in fields["back"]),
    }
    return Bill(**{**fields, **parts})


def note_of_json(fields: Mapping[str, Any]) -> Note:
    """Return the note that a JSON object says, as `attrs.asdict` makes it."""
    parts = {name: tuple(tuple(one) for one in fields[name]) for name in ("refunds", "lines")}
    return Note(**{**fields, **parts})
