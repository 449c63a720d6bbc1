"""Matches returned unused time with the lines that sold it.

A line that returns unused time is a fact about the line that it credits, which may be on an earlier invoice.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import attrs

from domain.payments.invoices import Line, LineKind, UnusedTime, is_same_item
from domain.payments.purchases import PaymentStatus, Purchase

UnusedParts = Mapping[tuple[str, str], Fraction]
"""The fraction of each line's time that was returned, by its invoice's link and its id."""


CreditedLine = tuple[str, Line]
"""A line with its invoice's link."""


@attrs.frozen
class Returns:
    """The unused time that the invoices of a subscription returned."""

    parts: UnusedParts
    credited: Mapping[UnusedTime, tuple[CreditedLine, ...]]
    """The recorded lines whose time each unused time returns; empty if none of them is recorded."""


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


def returns_of(family: Iterable[Purchase]) -> Returns:
    """Return the matches of all unused time of a subscription, in about as many steps as it has lines.

    Only changes at one and the same moment are compared with each other.
    """
    parts: dict[tuple[str, str], Fraction] = {}
    credited: dict[UnusedTime, tuple[CreditedLine, ...]] = {}
    for unused, shares in _attributed(family):
        _add(parts, shares)
        credited.setdefault(unused, tuple(shares))
    return Returns(parts=parts, credited=credited)


def unused_parts(family: Iterable[Purchase]) -> UnusedParts:
    """Return the fraction of each line's time that the subscription's invoices returned, from 0 to 1."""
    return returns_of(family).parts


def _attributed(family: Iterable[Purchase]) -> Iterator[tuple[UnusedTime, Mapping[CreditedLine, Fraction]]]:
    """Yield each unused time with its fraction of every line that it returns.

    Those whose line Stripe names come first, so that no other is matched with it; then the oldest. Among those of the
    same moment, the ones with fewer candidate lines come first, so that another one cannot take their only candidate.
    """
    paid = paid_invoices(family)
    sold = _sold_lines(paid)
    given = [
        (not one.credited_lines, one.starts_at, len(possible), _issued(giver), one.id, one, possible)
        for giver in paid
        if giver.bill
        for changes in [Counter(_change(one) for one in giver.bill.unused)]
        for one in giver.bill.unused
        for possible in [_possible_lines(one, giver, sold, is_one_change=changes[_change(one)] == 1)]
    ]
    taken: dict[tuple[str, str], Fraction] = {}
    for *_, unused, possible in sorted(given, key=lambda found: found[:5]):
        shares = _shares(unused, possible, taken)
        _add(taken, shares)
        yield unused, shares


def _add(parts: dict[tuple[str, str], Fraction], shares: Mapping[CreditedLine, Fraction]) -> None:
    for (invoice, line), part in shares.items():
        parts[invoice, line.id] = parts.get((invoice, line.id), Fraction(0)) + part


def _sold_lines(paid: Iterable[Purchase]) -> SoldLines:
    by_id: dict[tuple[str | None, str], list[SoldLine]] = {}
    by_end: dict[tuple[str | None, datetime], dict[tuple[str | None, str | None], list[SoldLine]]] = {}
    for one in paid:
        link, issued = invoice_link(one), _issued(one)
        invoices = [None, *(other.removeprefix("invoice:") for other in one.links if other.startswith("invoice:"))]
        for line in one.bill.lines if one.bill else ():
            sold = SoldLine(line.starts_at, issued, link, line.id, line)
            for invoice in invoices:
                by_id.setdefault((invoice, line.id), []).append(sold)
                if line.kind is not LineKind.TRIAL:
                    of_end = by_end.setdefault((invoice, line.ends_at), {})
                    of_end.setdefault((line.subscription_item, line.price_id), []).append(sold)
    for of_end in by_end.values():
        for lines in of_end.values():
            lines.sort(key=lambda sold: sold[:4])
    return SoldLines(by_id=by_id, by_end=by_end)


def _possible_lines(
    unused: UnusedTime, giver: Purchase, sold: SoldLines, *, is_one_change: bool
) -> Sequence[CreditedLine]:
    """Return the lines that Stripe names, otherwise those with the same subscription item, price and period end.

    The newest earlier lines come first, because a change ends all that was in force. Then come those that began at the
    same moment: of several changes at once, each returns what the one before it began. A single change never returns
    the line that it begins itself, and no change returns a line of a later invoice.
    """
    invoice = unused.credited_invoice
    named = [one for id_ in dict.fromkeys(unused.credited_lines) for one in sold.by_id.get((invoice, id_), ())]
    if named or (unused.credited_lines and invoice is None):
        return [(one.invoice, one.line) for one in named]
    moment, until = (unused.starts_at, _issued(giver)), _issued(giver) or math.inf
    of_item = [
        one
        for lines in sold.by_end.get((invoice, unused.ends_at), {}).values()
        if is_same_item(lines[0].line, unused)
        and (None in {lines[0].line.price_id, unused.price_id} or lines[0].line.price_id == unused.price_id)
        for one in _newest(lines, moment, until)
    ]
    ordered = sorted(of_item, key=lambda one: one[:4], reverse=True)
    before = [one for one in ordered if one[:2] < moment]
    at_once = [
        one for one in ordered if one[:2] >= moment and not (is_one_change and one.invoice == invoice_link(giver))
    ]
    newest = [one for one in before if one.starts_at == before[0].starts_at]
    return [(one.invoice, one.line) for one in (*newest, *at_once)]


def _newest(lines: Sequence[SoldLine], moment: tuple[datetime, float], until: float) -> Iterator[SoldLine]:
    """Yield the lines that began at the moment and, of those before it, the ones that began last; newest first."""
    last: datetime | None = None
    for place in range(_began_by(lines, moment[0]) - 1, -1, -1):
        one = lines[place]
        if last is not None and one.starts_at != last:
            return
        if one.issued <= until:
            last = one.starts_at if one[:2] < moment else None
            yield one


def _began_by(lines: Sequence[SoldLine], moment: datetime) -> int:
    """Return how many lines, sorted by their start, began by the moment: by bisection."""
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if lines[middle].starts_at <= moment else (low, middle)
    return low


def _shares(
    unused: UnusedTime, possible: Sequence[CreditedLine], taken: UnusedParts
) -> Mapping[CreditedLine, Fraction]:
    """Return the fraction of each line that the unused time covers, given what was taken from the lines before."""
    left = {(invoice, line): 1 - taken.get((invoice, line.id), Fraction(0)) for invoice, line in possible}
    if any(line.id in unused.credited_lines for _, line in possible):
        of_money = sum(line.net for _, line in possible)
        return {one: min(_unused_part(unused, one[1], of_money), left[one]) for one in possible}
    shares: dict[CreditedLine, Fraction] = {}
    unplaced = Fraction(1)
    for one in possible:
        wanted = _unused_part(unused, one[1], one[1].net)
        part = min(wanted * unplaced, left[one])
        if part > 0:
            shares[one] = part
            unplaced -= part / wanted
        # Amounts are rounded: a cent or two that do not fit are of no other line.
        if unplaced * wanted <= (Fraction(2, one[1].net) if one[1].net > 100 else 0):
            break
    return shares


def paid_invoices(family: Iterable[Purchase]) -> tuple[Purchase, ...]:
    """Return the purchases that are paid invoices of a subscription."""
    return tuple(one for one in family if one.bill is not None and one.payment is PaymentStatus.PAID)


def invoice_link(purchase: Purchase) -> str:
    """Return the link of an invoice."""
    return min((link for link in purchase.links if link.startswith("invoice:")), default="")


def _unused_part(unused: UnusedTime, line: Line, of_money: int) -> Fraction:
    """Return the fraction of a line that its unused time covers: by amount, after discounts.

    By time, if nothing was paid, or so little that a cent is worth more than a credit and the time gives the same
    amount in cents.
    """
    by_time = _time_part(unused, line)
    if of_money <= 0:
        return by_time
    is_coarse = line.worth > of_money and abs(by_time * of_money - unused.amount) <= 1
    return by_time if is_coarse else Fraction(unused.amount, of_money)


def _time_part(unused: UnusedTime, line: Line) -> Fraction:
    if line.lasts <= timedelta(0):
        return Fraction(0)
    given_back = max(unused.ends_at - unused.starts_at, timedelta(0))
    seats = Fraction(unused.quantity) / (Fraction(line.quantity) or 1)
    return Fraction(int(given_back.total_seconds()), int(line.lasts.total_seconds())) * seats


def _change(unused: UnusedTime) -> tuple[str | None, datetime]:
    """Return what unused time of one invoice has in common if it is of one change."""
    return (unused.subscription_item, unused.starts_at)


def _issued(purchase: Purchase) -> float:
    issued = purchase.bill.issued_at if purchase.bill else None
    return issued.timestamp() if issued else 0.0
