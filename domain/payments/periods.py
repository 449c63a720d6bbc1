"""Finds periods of the same subscription item among a subscription's invoices, in the logarithm of their number."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import attrs

from domain.payments.credited_lines import paid_invoices
from domain.payments.invoices import Line, LineKind
from domain.payments.purchases import Purchase
from domain.payments.reversals import paid_share

ItemName = tuple[str, str | None]
"""A kind of name and the name by which lines can be of the same item, such as `("plan", "monthly")`."""


@attrs.frozen
class LaterPayments:
    """The payments of an item's periods: from each period's start on, the earliest payment of it or a later period."""

    starts: Sequence[datetime]
    earliest: Sequence[datetime]


@attrs.frozen
class Periods:
    """The whole periods that a subscription's paid invoices sold, by every name of their items.

    Two lines have an item in common under the rule of :func:`domain.payments.invoices.is_same_item`.
    """

    starts: Mapping[tuple[ItemName, datetime], datetime]
    """The earliest start of the periods with that end."""
    payments: Mapping[ItemName, LaterPayments]
    """The payments of those that brought credits."""

    def start_of(self, line: Line) -> datetime | None:
        """Return when the period of the line's item that ends with it began; None if none is recorded."""
        known = (self.starts.get((name, line.ends_at)) for name in _names_sought(line))
        return min((one for one in known if one is not None), default=None)

    def paid_on_at(self, line: Line) -> datetime | None:
        """Return the earliest payment of a later period of the line's item that brought credits; None without one."""
        found = []
        for name in _names_sought(line):
            later = self.payments.get(name)
            place = _first_from(later.starts, line.ends_at) if later else 0
            if later and place < len(later.starts):
                found.append(later.earliest[place])
        return min(found, default=None)


def periods_of(family: Iterable[Purchase]) -> Periods:
    """Return the periods that the paid ones among a subscription's invoices sold."""
    starts: dict[tuple[ItemName, datetime], datetime] = {}
    payments: dict[ItemName, list[tuple[datetime, datetime]]] = {}
    for one in paid_invoices(family):
        paid_at = one.paid_at if paid_share(one) > 0 else None
        for line in one.bill.lines if one.bill else ():
            if line.kind is not LineKind.PERIOD:
                continue
            for name in _names(line):
                starts[name, line.ends_at] = min(starts.get((name, line.ends_at), line.starts_at), line.starts_at)
                if paid_at is not None and line.worth > 0:
                    payments.setdefault(name, []).append((line.starts_at, paid_at))
    return Periods(starts=starts, payments={name: _later_payments(paid) for name, paid in payments.items()})


def _later_payments(paid: Sequence[tuple[datetime, datetime]]) -> LaterPayments:
    ordered = sorted(paid)
    earliest = [paid_at for _, paid_at in ordered]
    for place in range(len(earliest) - 2, -1, -1):
        earliest[place] = min(earliest[place : place + 2])
    return LaterPayments(starts=[starts_at for starts_at, _ in ordered], earliest=earliest)


def _first_from(starts: Sequence[datetime], moment: datetime) -> int:
    """Return how many of the sorted times are before the moment: by bisection."""
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if starts[middle] < moment else (low, middle)
    return low


def _names(line: Line) -> Iterator[ItemName]:
    """Yield the names under which a period is found."""
    yield from (("plan", line.plan_id), ("price", line.price_id))
    if line.subscription_item is not None:
        yield ("item", line.subscription_item)
    else:
        yield from (("plan without item", line.plan_id), ("price without item", line.price_id))


def _names_sought(line: Line) -> Iterator[ItemName]:
    """Yield the names that find the periods of a line's item: plan and price, only if one of both has no item."""
    if line.subscription_item is None:
        yield from (("plan", line.plan_id), ("price", line.price_id))
    else:
        yield from (
            ("item", line.subscription_item),
            ("plan without item", line.plan_id),
            ("price without item", line.price_id),
        )
