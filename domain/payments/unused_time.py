"""Matches returned unused time with the lines that sold it.

A line that returns unused time is a fact about the line that it credits, which may be on an earlier invoice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import attrs

from domain.payments.credited_lines import CreditedLine, issued, paid_invoices, possible_lines, sold_lines
from domain.payments.invoices import Line, UnusedTime
from domain.payments.purchases import Purchase

UnusedParts = Mapping[tuple[str, str], Fraction]
"""The fraction of each line's time that was returned, by its invoice's link and its id."""


@attrs.frozen
class Returns:
    """The unused time that the invoices of a subscription returned."""

    parts: UnusedParts
    credited: Mapping[UnusedTime, tuple[CreditedLine, ...]]
    """The recorded lines whose time each unused time returns; empty if none of them is recorded."""


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
    sold = sold_lines(paid)
    given = [
        (not one.credited_lines, one.starts_at, len(possible), issued(giver), one.id, one, possible)
        for giver in paid
        if giver.bill
        for changes in [Counter(_change(one) for one in giver.bill.unused)]
        for begun in [{line.starts_at for line in giver.bill.lines}]
        for one in giver.bill.unused
        for is_one in [changes[_change(one)] == 1]
        for possible in [
            possible_lines(one, giver, sold, is_one_change=is_one, is_switch=is_one and one.starts_at in begun)
        ]
    ]
    taken: dict[tuple[str, str], Fraction] = {}
    for *_, unused, possible in sorted(given, key=lambda found: found[:5]):
        shares = _shares(unused, possible, taken)
        _add(taken, shares)
        yield unused, shares


def _add(parts: dict[tuple[str, str], Fraction], shares: Mapping[CreditedLine, Fraction]) -> None:
    for (invoice, line), part in shares.items():
        parts[invoice, line.id] = parts.get((invoice, line.id), Fraction(0)) + part


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
