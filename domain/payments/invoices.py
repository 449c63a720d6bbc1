"""Paid invoices as the ledger records them: what each line brought, which unused time came back, and credit notes.

Amounts are integers in minor units of the invoice's currency. A line's terms (plan, credits, unit amount) are recorded
when the line is first decided, so that no later catalogue values it again.
"""

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TypeVar

import attrs

from domain.values.plans import DEFAULT_GRACE_DAYS


class LineKind(enum.StrEnum):
    """What a line of a plan is for."""

    PERIOD = "period"
    REST = "rest_of_period"
    TRIAL = "trial"


@attrs.frozen(kw_only=True)
class Line:
    """A line of a paid invoice that is of a plan of ours.

    Its worth is `credits` divided by `parts`; where it names an interval, that is the worth of a whole period, of which
    it has the part that its time is.
    """

    id: str
    kind: LineKind
    plan_id: str
    credits: int
    parts: int = 1
    interval: str | None = None
    """The plan's interval (`month`), where the line's worth goes by its time."""
    plan_credits: int
    """Credits of one period of the plan, on the terms that held."""
    unit_amount: str
    """The price of one period of the plan in minor units, on the terms that held; a fraction such as `3/2`."""
    quantity: str = "1"
    amount: int
    """Before discounts and tax."""
    net: int
    """After discounts."""
    starts_at: datetime
    ends_at: datetime
    subscription_item: str | None = None
    price_id: str | None = None
    product_id: str | None = None
    is_known_by_id: bool = False
    """Whether the price's id or metadata named the plan, and not an amount alone."""
    grace_days: int = DEFAULT_GRACE_DAYS
    rolls_over: bool = False
    rollover_cap: int = 0
    """The most credits that roll over onto the account in all; 0 means all of them."""

    @property
    def worth(self) -> Fraction:
        """Return the credits that the line brought, or those of a whole period where its worth goes by its time."""
        return Fraction(self.credits, self.parts)

    @property
    def is_free(self) -> bool:
        """Return whether the plan costs nothing."""
        return Fraction(self.unit_amount) == 0

    @property
    def lasts(self) -> timedelta:
        """Return how long the time is that was paid for."""
        return self.ends_at - self.starts_at

    @property
    def grace(self) -> timedelta:
        """Return how long its credits may outlast it."""
        return timedelta(days=self.grace_days)


@attrs.frozen(kw_only=True)
class UnusedTime:
    """A line that gives unused time of another line back: a proration below zero."""

    id: str
    amount: int
    """After discounts, as a positive amount."""
    quantity: str = "1"
    starts_at: datetime
    ends_at: datetime
    subscription_item: str | None = None
    price_id: str | None = None
    credited_invoice: str | None = None
    credited_lines: tuple[str, ...] = ()
    """The lines that Stripe names as credited; none where it names none."""


Recorded = TypeVar("Recorded", Line, UnusedTime, "NotedLine")


class CreditNoteStatus(enum.StrEnum):
    """A credit note's life. A later rank wins: what was voided stays so."""

    ISSUED = "issued"
    VOID = "void"


@attrs.frozen(kw_only=True, order=True)
class NotedRefund:
    """A refund that a credit note lists, and how much of it the note is for."""

    refund_id: str
    amount: int


@attrs.frozen(kw_only=True)
class NotedLine:
    """A line of a credit note: of an invoice line where it names one, else of the whole invoice."""

    id: str
    line_id: str | None
    amount: int


@attrs.frozen(kw_only=True)
class CreditNote:
    """The latest that is known of one credit note."""

    id: str
    status: CreditNoteStatus
    pre_payment: int = 0
    """What it took off before the invoice was paid."""
    post_payment: int = 0
    """What it gave back afterwards: by refunds, out of band, or to the customer's balance."""
    refunds: tuple[NotedRefund, ...] = ()
    lines: tuple[NotedLine, ...] = ()

    @property
    def is_live(self) -> bool:
        """Return whether it counts."""
        return self.status is CreditNoteStatus.ISSUED


def merge_notes(one: CreditNote, other: CreditNote) -> CreditNote:
    """Return the join of what two sources know of one credit note."""
    rank = tuple(CreditNoteStatus).index
    refunds: dict[str, int] = {}
    for refund in (*one.refunds, *other.refunds):
        refunds[refund.refund_id] = max(refunds.get(refund.refund_id, 0), refund.amount)
    return CreditNote(
        id=one.id,
        status=max(one.status, other.status, key=rank),
        pre_payment=max(one.pre_payment, other.pre_payment),
        post_payment=max(one.post_payment, other.post_payment),
        refunds=tuple(NotedRefund(refund_id=id_, amount=refunds[id_]) for id_ in sorted(refunds)),
        lines=_by_id((*one.lines, *other.lines)),
    )


@attrs.frozen(kw_only=True)
class Bill:
    """What one paid invoice of a subscription tells of its lines."""

    subscription_id: str
    lines: tuple[Line, ...] = ()
    """The lines of plans of ours that add, one per id, sorted by it."""
    unused: tuple[UnusedTime, ...] = ()
    """The lines that give unused time back, one per id, sorted by it."""
    total: int = 0
    """The sum of every line that adds, of whatever product, after discounts and tax."""
    issued_at: datetime | None = None

    @property
    def starts_at(self) -> datetime | None:
        """Return when the earliest of its times begins."""
        return min((*(line.starts_at for line in self.lines), *(one.starts_at for one in self.unused)), default=None)

    @property
    def ends_at(self) -> datetime | None:
        """Return when the latest of its times ends."""
        return max((*(line.ends_at for line in self.lines), *(one.ends_at for one in self.unused)), default=None)


def merge_bills(one: Bill, other: Bill) -> Bill:
    """Return the join of what two sources know of one invoice's lines; of two records of a line, always one."""
    issued = [bill.issued_at for bill in (one, other) if bill.issued_at is not None]
    return Bill(
        subscription_id=max(one.subscription_id, other.subscription_id),
        lines=_by_id((*one.lines, *other.lines)),
        unused=_by_id((*one.unused, *other.unused)),
        total=max(one.total, other.total),
        issued_at=min(issued, default=None),
    )


def _by_id(records: Iterable[Recorded]) -> tuple[Recorded, ...]:
    # Two records of one thing differ by accident only; any rule that always picks the same one will do.
    known = {record.id: record for record in sorted(records, key=repr)}
    return tuple(known[id_] for id_ in sorted(known))


def is_same_item(line: Line, other: Line | UnusedTime) -> bool:
    """Return whether two lines are of one subscription item, or of one plan or price where no item is told."""
    if line.subscription_item is not None and other.subscription_item is not None:
        return line.subscription_item == other.subscription_item
    if isinstance(other, Line) and line.plan_id == other.plan_id:
        return True
    return line.price_id == other.price_id
