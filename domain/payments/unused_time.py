"""Matches returned unused time with the lines that sold it.

A line that returns unused time is a fact about the line that it credits, which may be on an earlier invoice.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction

from domain.payments.invoices import Line, LineKind, UnusedTime, is_same_item
from domain.payments.purchases import PaymentStatus, Purchase

UnusedParts = Mapping[tuple[str, str], Fraction]
"""The fraction of each line's time that was returned, by its invoice's link and its id."""


CreditedLine = tuple[str, Line]
"""A line with its invoice's link."""


def unused_parts(family: Iterable[Purchase]) -> UnusedParts:
    """Return the fraction of each line's time that the subscription's invoices returned, from 0 to 1."""
    parts: dict[tuple[str, str], Fraction] = {}
    for _, shares in _attributed(family):
        _add(parts, shares)
    return parts


def credited_lines(unused: UnusedTime, giver: Purchase, family: Iterable[Purchase]) -> tuple[CreditedLine, ...]:
    """Return the recorded lines whose unused time a line of an invoice returns; empty if none of them is recorded."""
    return next((tuple(shares) for other, shares in _attributed((giver, *family)) if other == unused), ())


def _attributed(family: Iterable[Purchase]) -> Iterator[tuple[UnusedTime, Mapping[CreditedLine, Fraction]]]:
    """Yield each unused time with its fraction of every line that it returns.

    Those whose line Stripe names come first, so that no other is matched with it; then the oldest. Among those of the
    same moment, the ones with fewer candidate lines come first, so that another one cannot take their only candidate.
    """
    paid = paid_invoices(family)
    given = [
        (not one.credited_lines, one.starts_at, len(possible), _issued(giver), one.id, one, possible)
        for giver in paid
        if giver.bill
        for one in giver.bill.unused
        for possible in [_possible_lines(one, giver, paid)]
    ]
    taken: dict[tuple[str, str], Fraction] = {}
    for *_, unused, possible in sorted(given, key=lambda found: found[:5]):
        shares = _shares(unused, possible, taken)
        _add(taken, shares)
        yield unused, shares


def _add(parts: dict[tuple[str, str], Fraction], shares: Mapping[CreditedLine, Fraction]) -> None:
    for (invoice, line), part in shares.items():
        parts[invoice, line.id] = parts.get((invoice, line.id), Fraction(0)) + part


def _possible_lines(unused: UnusedTime, giver: Purchase, family: Sequence[Purchase]) -> Sequence[CreditedLine]:
    """Return the lines that Stripe names, otherwise those with the same subscription item, price and period end.

    The newest earlier lines come first, because a change ends all that was in force. Then come those that began at the
    same moment: of several changes at once, each returns what the one before it began. A single change never returns
    the line that it begins itself, and no change returns a line of a later invoice.
    """
    known = [
        (one, line)
        for one in family
        if one.bill is not None
        and (unused.credited_invoice is None or f"invoice:{unused.credited_invoice}" in one.links)
        for line in one.bill.lines
    ]
    named = [(invoice_link(one), line) for one, line in known if line.id in unused.credited_lines]
    if named or (unused.credited_lines and unused.credited_invoice is None):
        return named
    of_item = [
        (line.starts_at, _issued(one), invoice_link(one), line)
        for one, line in known
        if line.ends_at == unused.ends_at
        and line.kind is not LineKind.TRIAL
        and is_same_item(line, unused)
        and (None in {line.price_id, unused.price_id} or line.price_id == unused.price_id)
        and line.starts_at <= unused.starts_at
        and _issued(one) <= (_issued(giver) or math.inf)
    ]
    ordered = sorted(of_item, key=lambda found: (*found[:3], found[3].id), reverse=True)
    before = [one for one in ordered if one[:2] < (unused.starts_at, _issued(giver))]
    is_one_change = sum(_is_of_same_change(one, unused) for one in (giver.bill.unused if giver.bill else ())) == 1
    at_once = [one for one in ordered if one not in before and not (is_one_change and one[2] == invoice_link(giver))]
    newest = [one for one in before if one[0] == before[0][0]]
    return [(invoice, line) for *_, invoice, line in (*newest, *at_once)]


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


def _is_of_same_change(one: UnusedTime, other: UnusedTime) -> bool:
    return (one.subscription_item, one.starts_at) == (other.subscription_item, other.starts_at)


def _issued(purchase: Purchase) -> float:
    issued = purchase.bill.issued_at if purchase.bill else None
    return issued.timestamp() if issued else 0.0
