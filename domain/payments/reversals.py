"""Computes how much of a payment was never collected or was returned: in minor units, and for invoices by line."""

from collections.abc import Mapping
from fractions import Fraction

from domain.payments.invoices import CreditNote, Line
from domain.payments.purchases import Purchase


def reversed_amount(purchase: Purchase) -> Fraction:
    """Return the amount in minor units that was returned to the customer or is disputed, at most the order's amount.

    Amounts that were due and never collected count too.
    """
    gone = _apart_from_notes(purchase) + sum(_noted(purchase, note) for note in _live_notes(purchase))
    paid = purchase.order.amount if purchase.order is not None else 0
    return min(gone + disputed_amount(purchase), Fraction(paid))


def disputed_amount(purchase: Purchase) -> Fraction:
    """Return the amount in minor units that disputes have withdrawn."""
    return sum((dispute.away for dispute in purchase.disputes), Fraction(0))


def refunded_parts(purchase: Purchase) -> Mapping[str, Fraction]:
    """Return the fraction of each invoice line that was unpaid, refunded or credited, from 0 to 1, by line id.

    A credit note counts for the lines that it names. Amounts without a line are spread over all lines in proportion to
    the sum of the positive ones; if that sum is 0 or less, they are ignored.
    """
    bill = purchase.bill
    if bill is None:
        return {}
    whole = Fraction(_apart_from_notes(purchase))
    by_line: dict[str, Fraction] = {}
    for note in _live_notes(purchase):
        counts = _noted(purchase, note)
        listed = sum(max(line.amount, 0) for line in note.lines)
        if listed <= 0:
            whole += counts
            continue
        # A failed refund of the note reduces each of its lines by its share.
        of_note = min(Fraction(counts, note.pre_payment + note.post_payment), Fraction(1)) if counts else Fraction(0)
        for line in note.lines:
            # A line of the note that adds to the invoice returns nothing.
            amount = max(line.amount, 0) * of_note
            if line.line_id is None:
                whole += amount
            else:
                by_line[line.line_id] = by_line.get(line.line_id, Fraction(0)) + amount
    share = whole / bill.total if bill.total > 0 else Fraction(0)
    return {line.id: min(share + _part(by_line, line), Fraction(1)) for line in bill.lines}


def paid_share(purchase: Purchase) -> Fraction:
    """Return the fraction of an invoice that was collected originally, before refunds."""
    if purchase.bill is None or purchase.bill.total <= 0:
        return Fraction(1)
    before = sum(note.pre_payment for note in _live_notes(purchase))
    return 1 - min(Fraction(max(purchase.never_paid, before), purchase.bill.total), Fraction(1))


def _part(by_line: Mapping[str, Fraction], line: Line) -> Fraction:
    amount = by_line.get(line.id, Fraction(0))
    return amount / line.amount if line.amount > 0 else Fraction(1 if amount > 0 else 0)


def _live_notes(purchase: Purchase) -> list[CreditNote]:
    return [note for note in purchase.credit_notes if note.is_live]


def _noted(purchase: Purchase, note: CreditNote) -> int:
    """Return the amount of a credit note, without its failed refunds, in minor units."""
    dead = {refund.id for refund in purchase.refunds if refund.is_dead}
    failed = sum(refund.amount for refund in note.refunds if refund.refund_id in dead)
    return max(note.pre_payment + note.post_payment - failed, 0)


def _apart_from_notes(purchase: Purchase) -> int:
    """Return the amount that was never collected or was refunded, without what credit notes cover, in minor units."""
    notes = _live_notes(purchase)
    noted: dict[str, int] = {}
    for listed in (refund for note in notes for refund in note.refunds):
        noted[listed.refund_id] = noted.get(listed.refund_id, 0) + listed.amount
    live = sum(max(refund.amount - noted.get(refund.id, 0), 0) for refund in purchase.refunds if not refund.is_dead)
    refunded = max(live + _unreported_refunds(purchase, noted) - purchase.overpaid - purchase.uncaptured_refunds, 0)
    return refunded + max(purchase.never_paid - sum(note.pre_payment for note in notes), 0)


def _unreported_refunds(purchase: Purchase, noted: Mapping[str, int]) -> int:
    """Return the charges' refunded totals beyond the refunds known by id, in minor units.

    A refund counts towards its own charge's total; one reported without its charge towards any of them. A failed refund
    was part of the total before.
    """
    known = {refund.id: refund for refund in purchase.refunds}
    by_charge: dict[str | None, int] = {}
    for id_ in {*known, *noted}:
        refund = known.get(id_)
        amount = noted.get(id_, 0) if refund is None else refund.amount
        if refund is not None and not refund.is_dead:
            amount = max(amount, noted.get(id_, 0))
        charge = refund.charge if refund is not None else None
        by_charge[charge] = by_charge.get(charge, 0) + amount
    beyond = sum(max(total.amount - by_charge.get(total.charge, 0), 0) for total in purchase.refunded_totals)
    return max(beyond - by_charge.get(None, 0), 0)
