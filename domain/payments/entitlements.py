"""Computes what a purchase is worth now, by grant: a pure function of what is recorded of it and its subscription.

The rules for invoices are those of docs/plans.md: credits follow the money, line by line. A line that returns unused
time adds nothing to its own invoice; it takes from the line that it credits, which may be on an earlier invoice.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import attrs

from domain.payments.credited_lines import invoice_link
from domain.payments.invoices import Line, LineKind
from domain.payments.periods import Periods, periods_of
from domain.payments.purchases import PaymentStatus, Purchase
from domain.payments.reversals import disputed_amount, refunded_parts, reversed_amount
from domain.payments.subscriptions import SubscriptionState, SubscriptionStatus
from domain.payments.unused_time import UnusedParts, unused_parts
from domain.values.intervals import interval_before


@attrs.frozen(kw_only=True)
class GrantDue:
    """The credits that one grant of a purchase should have, including spent ones, and when they expire."""

    period_ends_at: datetime | None
    """The end of the period that was paid for, which identifies the grant; None for a one-time purchase."""
    credits: int
    expires_at: datetime | None
    rollover_cap: int | None = None
    """The most credits that then roll over on the account in total; None if they do not roll over."""


@attrs.frozen(kw_only=True)
class LineBalance:
    """The credits that one line of an invoice brought, and the fractions that were unused, refunded and disputed."""

    line: Line
    worth: Fraction
    unused: Fraction = Fraction(0)
    refunded: Fraction = Fraction(0)
    disputed: Fraction = Fraction(0)

    @property
    def credits(self) -> Fraction:
        """Return the remaining worth of the line, in credits.

        Returned unused time and refunds can be the same money, so the larger counts. A dispute counts on top.
        """
        return self.worth * (1 - max(self.unused, self.refunded) - self.disputed)


def entitlement(
    purchase: Purchase,
    family: Sequence[Purchase] = (),
    *,
    unused: UnusedParts | None = None,
    periods: Periods | None = None,
) -> int:
    """Return the credits that the purchase is worth now, rounded down; for the parameters see :func:`grants_due`."""
    return sum(due.credits for due in grants_due(purchase, family, unused=unused, periods=periods))


def grants_due(
    purchase: Purchase,
    family: Sequence[Purchase] = (),
    state: SubscriptionState | None = None,
    *,
    unused: UnusedParts | None = None,
    periods: Periods | None = None,
) -> tuple[GrantDue, ...]:
    """Return what each grant of the purchase should have, in the order of their periods' ends.

    `family` are the other purchases of its subscription and `state` is the subscription's state. `unused` and `periods`
    are the results of :func:`unused_parts` and :func:`periods_of` for all of them and the purchase: who values many
    computes them once, and passes no family. Lines with the same period end form one grant, and only a grant's sum is
    rounded down.
    """
    order = purchase.order
    if order is None:
        return ()
    is_paid = purchase.payment is PaymentStatus.PAID
    if purchase.bill is None:
        left = order.amount - reversed_amount(purchase)
        worth = math.floor(order.credits * left / order.amount) if order.amount else order.credits
        return (GrantDue(period_ends_at=None, credits=worth if is_paid else 0, expires_at=pack_expiry(purchase)),)
    known = periods_of((purchase, *family)) if periods is None else periods
    balances = line_balances(purchase, family, unused=unused, periods=known)
    ends = sorted({balance.line.ends_at for balance in balances})
    of_end = {end: [balance for balance in balances if balance.line.ends_at == end] for end in ends}
    return tuple(
        GrantDue(
            period_ends_at=end,
            credits=math.floor(sum(balance.credits for balance in of_end[end])) if is_paid else 0,
            expires_at=_latest([_expiry(balance.line, purchase, known, state) for balance in of_end[end]]),
            rollover_cap=_cap([balance.line for balance in of_end[end]]),
        )
        for end in ends
    )


def pack_expiry(purchase: Purchase) -> datetime | None:
    """Return when the credits of a pack expire: the plan's number of days after the payment, if its time is known."""
    order = purchase.order
    if order is None:
        return None
    if order.lasts_days and purchase.paid_at is not None:
        return purchase.paid_at + timedelta(days=order.lasts_days)
    return order.expires_at


def line_balances(
    purchase: Purchase,
    family: Sequence[Purchase] = (),
    *,
    unused: UnusedParts | None = None,
    periods: Periods | None = None,
) -> tuple[LineBalance, ...]:
    """Return the balance of each line of a purchase's invoice, in the order of the lines' ids.

    For the parameters see :func:`grants_due`.
    """
    bill = purchase.bill
    if bill is None or not bill.lines:
        return ()
    known = periods_of((purchase, *family)) if periods is None else periods
    given_back = unused_parts((purchase, *family)) if unused is None else unused
    refunded = refunded_parts(purchase)
    disputed = min(disputed_amount(purchase) / bill.total, Fraction(1)) if bill.total > 0 else Fraction(0)
    return tuple(
        LineBalance(
            line=line,
            worth=_worth(line, known),
            unused=given_back.get((invoice_link(purchase), line.id), Fraction(0)),
            refunded=refunded[line.id],
            disputed=disputed,
        )
        for line in bill.lines
    )


def _worth(line: Line, periods: Periods) -> Fraction:
    """Return the credits that the line brought; without a price before discounts, by its share of the period's time.

    The period is the recorded one with the same end; if there is none, as many calendar intervals as the plan's has.
    """
    if line.interval is None:
        return line.worth
    starts_at = periods.start_of(line) or interval_before(line.ends_at, line.interval, line.interval_count)
    lasts = int((line.ends_at - starts_at).total_seconds())
    return line.worth * min(Fraction(int(line.lasts.total_seconds()), lasts), Fraction(1)) if lasts > 0 else line.worth


def _expiry(line: Line, purchase: Purchase, periods: Periods, state: SubscriptionState | None) -> datetime | None:
    """Return when a line's unspent credits expire; None if all of them roll over.

    Paid on time, they last until the next period of the subscription item is paid, at most for the plan's grace. Paid
    later than that, they last for the length of the paid period from the payment on. A trial's credits expire with it.
    """
    if line.kind is LineKind.TRIAL:
        return line.ends_at
    if line.rolls_over and not line.rollover_cap:
        return None
    paid_at = purchase.paid_at
    if paid_at is not None and paid_at > min(line.starts_at + line.grace, line.ends_at):
        return max(line.ends_at, paid_at + line.lasts)
    following = periods.paid_on_at(line)
    if following is not None:
        return min(line.ends_at + line.grace, max(line.ends_at, following))
    is_ending = state is not None and (state.status is SubscriptionStatus.CANCELED or state.cancels_at_period_end)
    return line.ends_at if is_ending else line.ends_at + line.grace


def _latest(ends: Sequence[datetime | None]) -> datetime | None:
    known = [end for end in ends if end is not None]
    return max(known, default=None) if len(known) == len(ends) else None


def _cap(lines: Sequence[Line]) -> int | None:
    """Return the rollover cap of a grant, the largest of its lines; None if nothing or everything rolls over."""
    rolling = [line.rollover_cap for line in lines if line.rolls_over and line.kind is not LineKind.TRIAL]
    return max(rolling) if rolling and all(rolling) else None
