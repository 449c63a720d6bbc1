"""Calculates what subscriptions' invoices are worth, grant by grant, and when it expires, with arithmetic of its own.

Credits follow the money, line by line, in exact fractions; only a grant is rounded, down.
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import attrs

from simulators.stories.invoices import PERIOD, Bill, Note, SoldTime, TimeBack

DAY = 24 * 60 * 60
GRACE = 3 * DAY
"""How long credits outlast their period while the next one is being charged."""


@attrs.frozen(kw_only=True)
class Due:
    """The credits that one grant must have brought, and when the rest of them expires."""

    customer: str
    handles: frozenset[str]
    """Ids of Stripe's objects by any of which its payment may be known."""
    period: int | None = None
    """The end of the period that was paid for; None for what was sold once."""
    credits: int
    ends: int | None = None


@attrs.frozen(kw_only=True)
class Gone:
    """The part of one payment's money that is gone."""

    refunds: Mapping[str, int] = attrs.field(factory=dict)
    """Those that are live."""
    dead: Mapping[str, int] = attrs.field(factory=dict)
    """Those that failed."""
    total: int = 0
    """How much was refunded in all, by a charge that names no refunds."""
    disputed: Fraction = Fraction(0)
    notes: tuple[Note, ...] = ()


@attrs.frozen(kw_only=True)
class KnownBill:
    """A bill, what is gone of it, and the handles by which its payment is known."""

    bill: Bill
    gone: Gone = Gone()
    handles: frozenset[str] = frozenset()


def dues_of(family: Sequence[KnownBill], *, is_ending: bool = False) -> list[Due]:
    """Return what each grant of one subscription's invoices comes to.

    `is_ending` is whether the subscription is canceled, or will be when its period ends.
    """
    bills = [known.bill for known in family]
    found: list[Due] = []
    for known in family:
        bill = known.bill
        for end in sorted({line.end for line in bill.sold}):
            lines = [line for line in bill.sold if line.end == end]
            left = sum((_left(line, known, bills) for line in lines), Fraction(0))
            found.append(
                Due(
                    customer=bill.customer,
                    handles=known.handles | {bill.invoice},
                    period=end,
                    credits=left.numerator // left.denominator,
                    ends=max(_end(line, bill, family, is_ending=is_ending) for line in lines),
                )
            )
    return found


def _left(line: SoldTime, known: KnownBill, bills: Sequence[Bill]) -> Fraction:
    """Return what is left of a line: unused time and refunds are the same money, a dispute is other money."""
    bill, gone = known.bill, known.gone
    disputed = min(gone.disputed / bill.total, Fraction(1)) if bill.total > 0 else Fraction(0)
    back = max(_given_back(line, bill, bills), _refunded(line, bill, gone))
    return _brought(line, bills) * (1 - back - disputed)


def _brought(line: SoldTime, bills: Sequence[Bill]) -> Fraction:
    if line.kind == PERIOD:
        return Fraction(line.credits * line.quantity)
    if not line.by_time:
        return Fraction(line.credits * line.amount, line.unit)
    whole = [one.start for bill in bills for one in bill.sold if one.kind == PERIOD and _alike(one, line)]
    begins = min(whole, default=_an_interval_before(line.end, line.interval))
    return line.credits * line.quantity * min(Fraction(line.end - line.start, line.end - begins), Fraction(1))


def _alike(one: SoldTime, line: SoldTime) -> bool:
    return one.end == line.end and _of_one_item(one, line)


def _given_back(line: SoldTime, bill: Bill, bills: Sequence[Bill]) -> Fraction:
    part = Fraction(0)
    for giver in bills:
        for back in giver.back:
            if _credited(back, giver, bills) != (bill.invoice, line.line):
                continue
            if line.net > 0:
                part += Fraction(back.amount, line.net)
            else:
                part += Fraction(back.end - back.start, line.end - line.start)
    return min(part, Fraction(1))


def _credited(back: TimeBack, giver: Bill, bills: Sequence[Bill]) -> tuple[str, str] | None:
    """Return the invoice and the line whose time a line gives back: as it names them, else the newest possible."""
    if back.of_line is not None:
        return back.of_invoice or "", back.of_line
    possible = [
        (line.price == back.price, line.start, bill.created, bill.invoice, line.line)
        for bill in bills
        for line in bill.sold
        if line.end == back.end
        and _of_one_item(line, back)
        and (
            line.start < back.start
            or (line.start == back.start and bill is not giver and bill.created <= giver.created)
        )
    ]
    return max(possible)[3:] if possible else None


def _refunded(line: SoldTime, bill: Bill, gone: Gone) -> Fraction:
    """Return the part of a line that was never paid or went back; a note is measured by the lines that it names."""
    noted: dict[str, int] = {}
    for note in gone.notes:
        for refund, amount in note.refunds:
            noted[refund] = noted.get(refund, 0) + amount
    apart = sum(max(amount - noted.get(refund, 0), 0) for refund, amount in gone.refunds.items())
    listed = sum(amount for refund, amount in noted.items() if refund not in gone.dead)
    before = sum(note.before for note in gone.notes)
    whole = Fraction(max(apart, gone.total - sum(gone.dead.values()) - listed, 0) + max(bill.never_paid - before, 0))
    own = Fraction(0)
    for note in gone.notes:
        failed = sum(amount for refund, amount in note.refunds if refund in gone.dead)
        counts = Fraction(max(note.before + note.after - failed, 0), note.before + note.after)
        for of, amount in note.lines:
            if of is None:
                whole += amount * counts
            elif of == line.line and line.amount > 0:
                own += amount * counts / line.amount
    share = whole / bill.total if bill.total > 0 else Fraction(0)
    return min(share + own, Fraction(1))


def _end(line: SoldTime, bill: Bill, family: Iterable[KnownBill], *, is_ending: bool) -> int:
    """Return when what is left of a line's credits ends."""
    if bill.paid > min(line.start + GRACE, line.end):
        return max(line.end, bill.paid + line.end - line.start)
    following = [
        known.bill.paid
        for known in family
        if _was_collected(known)
        and any(
            later.kind == PERIOD and later.start >= line.end and _of_one_item(line, later) for later in known.bill.sold
        )
    ]
    if following:
        return min(line.end + GRACE, max(line.end, min(following)))
    return line.end if is_ending else line.end + GRACE


def _was_collected(known: KnownBill) -> bool:
    before = max(known.bill.never_paid, sum(note.before for note in known.gone.notes))
    return known.bill.total <= 0 or before < known.bill.total


def _of_one_item(one: SoldTime, other: SoldTime | TimeBack) -> bool:
    if one.item is not None and other.item is not None:
        return one.item == other.item
    return one.price == other.price or (isinstance(other, SoldTime) and one.plan == other.plan)


def _an_interval_before(end: int, interval: str) -> int:
    """Return when a period of the calendar began that ends then."""
    if interval in ("day", "week"):
        return end - {"day": 1, "week": 7}[interval] * DAY
    moment = datetime.fromtimestamp(end, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 - {"month": 1, "year": 12}[interval], 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())
