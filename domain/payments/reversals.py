"""What of a payment was never collected, or went back: in minor units, and for an invoice line by line."""

from collections.abc import Mapping
from fractions import Fraction

from domain.payments.invoices import CreditNote, Line
from domain.payments.purchases import Purchase


def reversed_amount(purchase: Purchase) -> Fraction:
    """Return the minor units that went back to the customer or are with their bank: at most what was ordered.

    What was asked for and never collected counts too.
    """
    gone = _apart_from_notes(purchase) + sum(_noted(purchase, note) for note in _live_notes(purchase))
    paid = purchase.order.amount if purchase.order is not None else 0
    return min(gone + disputed_amount(purchase), Fraction(paid))


def disputed_amount(purchase: Purchase) -> Fraction:
    """Return the minor units that are with the customer's bank because of disputes."""
    return sum((dispute.away for dispute in purchase.disputes), Fraction(0))


def refunded_parts(purchase: Purchase) -> Mapping[str, Fraction]:
    """Return the part of each line of the invoice that was never paid, refunded or credited: from 0 to 1, by line id.

    A credit note is measured by the lines that it names. What names no line counts for all lines alike, by the sum of
    all lines that add; where that sum is 0 or less, nothing of it can be measured.
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
        # A refund of the note that failed takes its share out of each of its lines.
        of_note = min(Fraction(counts, note.pre_payment + note.post_payment), Fraction(1)) if counts else Fraction(0)
        for line in note.lines:
            # A line that adds to the invoice again gives nothing back.
            amount = max(line.amount, 0) * of_note
            if line.line_id is None:
                whole += amount
            else:
                by_line[line.line_id] = by_line.get(line.line_id, Fraction(0)) + amount
    share = whole / bill.total if bill.total > 0 else Fraction(0)
    return {line.id: min(share + _part(by_line, line), Fraction(1)) for line in bill.lines}


def paid_share(purchase: Purchase) -> Fraction:
    """Return the part of an invoice that was collected in the first place, whatever became of it later."""
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
    """Return what a note took off or gave back, without those of its refunds that failed."""
    dead = {refund.id for refund in purchase.refunds if refund.is_dead}
    failed = sum(refund.amount for refund in note.refunds if refund.refund_id in dead)
    return max(note.pre_payment + note.post_payment - failed, 0)


def _apart_from_notes(purchase: Purchase) -> int:
    """Return what was never collected or was refunded, but for what credit notes account for."""
    notes = _live_notes(purchase)
    noted: dict[str, int] = {}
    for listed in (refund for note in notes for refund in note.refunds):
        noted[listed.refund_id] = noted.get(listed.refund_id, 0) + listed.amount
    live = sum(max(refund.amount - noted.get(refund.id, 0), 0) for refund in purchase.refunds if not refund.is_dead)
    refunded = max(live + _unreported_refunds(purchase, noted) - purchase.overpaid - purchase.uncaptured_refunds, 0)
    return refunded + max(purchase.never_paid - sum(note.pre_payment for note in notes), 0)


def _unreported_refunds(purchase: Purchase, noted: Mapping[str, int]) -> int:
    """Return what charges report as refunded in all beyond the refunds that are known by their ids.

    A refund is part of its own charge's total, one that was told without its charge of any of them. One that failed was
    part of it before.
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
