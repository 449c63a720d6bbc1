"""Lists what must happen to subscriptions in a run, and finds it in what was recorded of their invoices."""

from collections.abc import Iterable

from simulators.stories.event_readings import Claim, DisputeReading
from simulators.stories.invoice_worth import DAY, GRACE
from simulators.stories.invoices import PERIOD, REST, Bill, Note

AT_ONCE, WITH_RENEWAL = "a change is charged at once", "a change is charged with a renewal"
BACK, NOT_NAMED = "unused time comes back", "unused time comes back of no line that is named"
ONLY_BACK = "an invoice only gives unused time back"
SEATS, ANNUAL = "several seats are paid", "a year is paid"
FREE, BY_TIME, ITEMIZED = "a period is free", "a discount hides a price", "a discount is shown on a rest of a period"
ELSE, LATE = "something else is on an invoice", "a renewal is paid late"
BEFORE, BY_LINE = "a credit note comes before the payment", "a credit note names a line"
TO_CARD, ELSEWHERE = "a credit note goes to the card", "a credit note goes to the balance, or outside"
EASED = "a dispute is reinstated in part"

CELLS = (
    AT_ONCE, WITH_RENEWAL, BACK, NOT_NAMED, ONLY_BACK, SEATS, ANNUAL, FREE, BY_TIME, ITEMIZED, ELSE, LATE, BEFORE,
    BY_LINE, TO_CARD, ELSEWHERE, EASED,
)  # fmt: skip
"""Each must be visited."""


def cells_of(claims: Iterable[Claim]) -> frozenset[str]:
    """Return the cells that an event's claims visit."""
    found: set[str] = set()
    for claim in claims:
        match claim:
            case Bill():
                found |= _of_bill(claim)
            case Note():
                found |= _of_note(claim)
            case DisputeReading(moves=moves) if (
                any(move > 0 for _, move in moves) and sum(move for _, move in moves) < 0
            ):
                found.add(EASED)
    return frozenset(found)


def _of_bill(bill: Bill) -> set[str]:
    kinds = {line.kind for line in bill.sold}
    visited = {
        AT_ONCE: kinds == {REST},
        WITH_RENEWAL: kinds == {REST, PERIOD},
        BACK: bool(bill.back),
        NOT_NAMED: any(back.of_line is None for back in bill.back),
        ONLY_BACK: bool(bill.back) and not bill.sold,
        SEATS: any(line.quantity > 1 for line in bill.sold),
        ANNUAL: any(line.kind == PERIOD and line.end - line.start > 300 * DAY for line in bill.sold),
        FREE: any(line.kind == PERIOD and line.net == 0 for line in bill.sold),
        BY_TIME: any(line.by_time and line.amount > 0 for line in bill.sold),
        ITEMIZED: any(line.kind == REST and line.net < line.amount for line in bill.sold),
        ELSE: bill.total > sum(line.net for line in bill.sold if line.amount > 0),
        LATE: any(line.kind == PERIOD and bill.paid > line.start + GRACE for line in bill.sold),
    }
    return {cell for cell, is_visited in visited.items() if is_visited}


def _of_note(note: Note) -> set[str]:
    visited = {
        BEFORE: note.before > 0,
        BY_LINE: any(of is not None for of, _ in note.lines),
        TO_CARD: bool(note.refunds),
        ELSEWHERE: note.after > 0 and not note.refunds,
    }
    return {cell for cell, is_visited in visited.items() if is_visited}
