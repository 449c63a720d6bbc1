"""Finds the lines whose time a line of unused time may return, where Stripe does not name them.

Of several lines the newest counts, since a change ends all that was in force.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import attrs

from domain.payments.invoices import Line, LineKind, UnusedTime, is_same_item
from domain.payments.purchases import PaymentStatus, Purchase

CreditedLine = tuple[str, Line]
"""A line with its invoice's link."""


class SoldLine(NamedTuple):
    """A line of a paid invoice, with the values that order it among others."""

    starts_at: datetime
    issued: float
    invoice: str
    line_id: str
    line: Line


@attrs.frozen
class SoldLines:
    """The lines of a subscription's paid invoices, of all of them and by the invoice's id."""

    by_id: Mapping[tuple[str | None, str], Sequence[SoldLine]]
    by_end: Mapping[tuple[str | None, datetime], Mapping[tuple[str | None, str | None], Sequence[SoldLine]]]
    """Those of no trial by their period's end, then by item and price, oldest first."""
    by_issue: Mapping[tuple[str | None, datetime], Sequence[SoldLine]]
    """The same by their period's end, in the order in which they were issued."""


def sold_lines(paid: Iterable[Purchase]) -> SoldLines:
    """Return the lines of paid invoices, in the order in which they are looked up."""
    by_id: dict[tuple[str | None, str], list[SoldLine]] = {}
    by_end: dict[tuple[str | None, datetime], dict[tuple[str | None, str | None], list[SoldLine]]] = {}
    by_issue: dict[tuple[str | None, datetime], list[SoldLine]] = {}
    for one in sorted(paid, key=issued):
        link, moment = invoice_link(one), issued(one)
        invoices = [None, *(other.removeprefix("invoice:") for other in one.links if other.startswith("invoice:"))]
        for line in one.bill.lines if one.bill else ():
            sold = SoldLine(line.starts_at, moment, link, line.id, line)
            for invoice in invoices:
                by_id.setdefault((invoice, line.id), []).append(sold)
                if line.kind is not LineKind.TRIAL:
                    of_end = by_end.setdefault((invoice, line.ends_at), {})
                    of_end.setdefault((line.subscription_item, line.price_id), []).append(sold)
                    by_issue.setdefault((invoice, line.ends_at), []).append(sold)
    for of_end in by_end.values():
        for lines in of_end.values():
            lines.sort(key=lambda sold: sold[:4])
    return SoldLines(by_id=by_id, by_end=by_end, by_issue=by_issue)


def possible_lines(
    unused: UnusedTime, giver: Purchase, sold: SoldLines, *, is_one_change: bool, is_switch: bool = False
) -> Sequence[CreditedLine]:
    """Return the lines that Stripe names, otherwise those of the same subscription item and period end.

    Those of the same price come first: the newest earlier ones, because a change ends all that was in force; then those
    that began at the same moment, because of several changes at once each returns what the one before it began; then
    those that began later, because a change may be computed as of a moment before the last one. If there are none,
    the item's newest line was in force, and its price was changed without being billed. A single change never returns
    the line that it begins itself, and no change returns a line of a later invoice.

    `is_switch` says that the one change of that moment also begins a line of a plan: with it alone, an item that is not
    named is any item of a subscription that has one. Otherwise it may be of something else that is no plan.
    """
    invoice = unused.credited_invoice
    named = [one for id_ in dict.fromkeys(unused.credited_lines) for one in sold.by_id.get((invoice, id_), ())]
    if named or (unused.credited_lines and invoice is None):
        return [(one.invoice, one.line) for one in named]
    moment, own = (unused.starts_at, issued(giver)), invoice_link(giver)
    until, place = issued(giver) or math.inf, (invoice, unused.ends_at)
    of_end = sold.by_end.get(place, {})
    is_only_item = is_switch and len({item for item, _ in of_end} - {None}) <= 1

    def is_possible(line: Line) -> bool:
        is_unnamed = None in {line.subscription_item, unused.subscription_item}
        return is_same_item(line, unused) or (is_only_item and is_unnamed)

    of_item = [one for lines in of_end.values() if is_possible(lines[0].line) for one in _newest(lines, moment, until)]
    ordered = sorted(of_item, key=lambda one: one[:4], reverse=True)
    before = [one for one in ordered if one[:2] < moment]
    last = max(before, key=lambda one: (one.issued, one.starts_at), default=None)
    newest = [one for one in before if last is not None and one.starts_at == last.starts_at]
    at_once = [one for one in ordered if one[:2] >= moment and not (is_one_change and one.invoice == own)]
    later = [one for one in _later(sold.by_issue.get(place, ()), moment) if is_possible(one.line)]
    of_price = [
        one
        for one in (*newest, *at_once, *later)
        if None in {one.line.price_id, unused.price_id} or one.line.price_id == unused.price_id
    ]
    others = (*later, *(one for one in at_once if one.invoice != own), *newest)
    return [(one.invoice, one.line) for one in of_price or others]


def _newest(lines: Sequence[SoldLine], moment: tuple[datetime, float], until: float) -> Iterator[SoldLine]:
    """Yield the lines that began at the moment and, of those before it, the ones that began last; newest first."""
    last: datetime | None = None
    for place in range(_first(lines, lambda one: one.starts_at > moment[0]) - 1, -1, -1):
        one = lines[place]
        if last is not None and one.starts_at != last:
            return
        if one.issued <= until:
            last = one.starts_at if one[:2] < moment else None
            yield one


def _later(lines: Sequence[SoldLine], moment: tuple[datetime, float]) -> Iterator[SoldLine]:
    """Yield the lines that began after the moment and were issued before the time; those issued last come first."""
    since = moment[0].timestamp()
    for place in range(_first(lines, lambda one: one.issued >= moment[1]) - 1, -1, -1):
        one = lines[place]
        if one.issued <= since:
            return
        if one.starts_at > moment[0]:
            yield one


def _first(lines: Sequence[SoldLine], is_after: Callable[[SoldLine], bool]) -> int:
    """Return the place of the first of sorted lines for which this is true: by bisection."""
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_after(lines[middle]) else (middle + 1, high)
    return low


def paid_invoices(family: Iterable[Purchase]) -> tuple[Purchase, ...]:
    """Return the purchases that are paid invoices of a subscription."""
    return tuple(one for one in family if one.bill is not None and one.payment is PaymentStatus.PAID)


def invoice_link(purchase: Purchase) -> str:
    """Return the link of an invoice."""
    return min((link for link in purchase.links if link.startswith("invoice:")), default="")


def issued(purchase: Purchase) -> float:
    """Return when an invoice was issued, in seconds since 1970; 0 if that is unknown."""
    moment = purchase.bill.issued_at if purchase.bill else None
    return moment.timestamp() if moment else 0.0
