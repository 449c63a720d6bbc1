"""Paid invoices as the ledger records them: lines with their worth, returned unused time, and credit notes.

Amounts are integers in minor units of the invoice's currency. A line's terms (plan, credits, unit amount) are recorded
when the line is first decided, so that a later catalogue does not change its worth.
"""

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TypeVar

import attrs

from domain.values.plans import DEFAULT_GRACE_DAYS


class LineKind(enum.StrEnum):
    """The kind of time that a plan's line pays for."""

    PERIOD = "period"
    REST = "rest_of_period"
    TRIAL = "trial"


@attrs.frozen(kw_only=True)
class Line:
    """A line of a paid invoice that belongs to one of the catalogue's plans.

    Its worth is `credits` divided by `parts`. If it has an interval, that is the worth of a whole period, of which the
    line gets the share of its time.
    """

    id: str
    kind: LineKind
    plan_id: str
    credits: int
    parts: int = 1
    interval: str | None = None
    """The plan's interval, such as `month`, if the line's worth depends on its time."""
    interval_count: int = 1
    """The number of intervals in the plan's period."""
    plan_credits: int
    """The credits of one period of the plan, on the recorded terms."""
    unit_amount: str
    """The price of one period of the plan in minor units, on the recorded terms; a fraction such as `3/2`."""
    quantity: str = "1"
    amount: int
    """The amount in minor units before discounts and tax."""
    net: int
    """The amount in minor units after discounts."""
    starts_at: datetime
    ends_at: datetime
    subscription_item: str | None = None
    price_id: str | None = None
    product_id: str | None = None
    is_known_by_id: bool = False
    """Whether the price's id or metadata identified the plan, rather than the amount alone."""
    grace_days: int = DEFAULT_GRACE_DAYS
    rolls_over: bool = False
    rollover_cap: int = 0
    """The most credits that roll over on the account in total; 0 means no cap."""

    @property
    def worth(self) -> Fraction:
        """Return the credits that the line brought, or those of a whole period if its worth depends on its time."""
        return Fraction(self.credits, self.parts)

    @property
    def is_free(self) -> bool:
        """Return whether the plan is free."""
        return Fraction(self.unit_amount) == 0

    @property
    def lasts(self) -> timedelta:
        """Return the length of the period that was paid for."""
        return self.ends_at - self.starts_at

    @property
    def grace(self) -> timedelta:
        """Return how long its credits remain usable after the period."""
        return timedelta(days=self.grace_days)


@attrs.frozen(kw_only=True)
class UnusedTime:
    """A line that returns unused time of another line: a negative proration."""

    id: str
    amount: int
    """The amount in minor units after discounts, as a positive number."""
    quantity: str = "1"
    starts_at: datetime
    ends_at: datetime
    subscription_item: str | None = None
    price_id: str | None = None
    credited_invoice: str | None = None
    credited_lines: tuple[str, ...] = ()
    """The lines that Stripe names as credited; empty if it names none."""


Recorded = TypeVar("Recorded", Line, UnusedTime, "NotedLine")


class CreditNoteStatus(enum.StrEnum):
    """A credit note's status. The higher rank wins: a voided note stays voided."""

    ISSUED = "issued"
    VOID = "void"


@attrs.frozen(kw_only=True, order=True)
class NotedRefund:
    """A refund listed in a credit note, with the note's share of it."""

    refund_id: str
    amount: int


@attrs.frozen(kw_only=True)
class NotedLine:
    """A line of a credit note, for one invoice line or, if it names none, for the whole invoice."""

    id: str
    line_id: str | None
    amount: int


@attrs.frozen(kw_only=True)
class CreditNote:
    """The latest state of one credit note; amounts are in minor units."""

    id: str
    status: CreditNoteStatus
    pre_payment: int = 0
    """The amount by which it reduced the invoice before the payment."""
    post_payment: int = 0
    """The amount that it returned after the payment: by refunds, out of band, or to the customer's balance."""
    refunds: tuple[NotedRefund, ...] = ()
    lines: tuple[NotedLine, ...] = ()

    @property
    def is_live(self) -> bool:
        """Return whether it counts."""
        return self.status is CreditNoteStatus.ISSUED


def merge_notes(one: CreditNote, other: CreditNote) -> CreditNote:
    """Return the merged state of one credit note."""
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
    """The recorded lines of one paid invoice of a subscription."""

    subscription_id: str
    lines: tuple[Line, ...] = ()
    """The lines of plans that add credits, one per id, sorted by id."""
    unused: tuple[UnusedTime, ...] = ()
    """The lines that return unused time, one per id, sorted by id."""
    total: int = 0
    """The sum of all positive lines of any product, after discounts and tax, in minor units."""
    issued_at: datetime | None = None

    @property
    def starts_at(self) -> datetime | None:
        """Return when the earliest period of its lines begins."""
        return min((*(line.starts_at for line in self.lines), *(one.starts_at for one in self.unused)), default=None)

    @property
    def ends_at(self) -> datetime | None:
        """Return when the latest period of its lines ends."""
        return max((*(line.ends_at for line in self.lines), *(one.ends_at for one in self.unused)), default=None)


def merge_bills(one: Bill, other: Bill) -> Bill:
    """Return the merged lines of one invoice; if two records of a line differ, the choice is deterministic."""
    issued = [bill.issued_at for bill in (one, other) if bill.issued_at is not None]
    return Bill(
        subscription_id=max(one.subscription_id, other.subscription_id),
        lines=_by_id((*one.lines, *other.lines)),
        unused=_by_id((*one.unused, *other.unused)),
        total=max(one.total, other.total),
        issued_at=min(issued, default=None),
    )


def _by_id(records: Iterable[Recorded]) -> tuple[Recorded, ...]:
    # Two records of a line should never differ; any deterministic rule will do.
    known = {record.id: record for record in sorted(records, key=repr)}
    return tuple(known[id_] for id_ in sorted(known))


def is_same_item(line: Line, other: Line | UnusedTime) -> bool:
    """Return whether two lines have the same subscription item or, if none is given, the same plan or price."""
    if line.subscription_item is not None and other.subscription_item is not None:
        return line.subscription_item == other.subscription_item
    if isinstance(other, Line) and line.plan_id == other.plan_id:
        return True
    return line.price_id == other.price_id
