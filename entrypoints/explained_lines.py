"""Explains the lines of a subscription's invoice: the credits that each granted and why, and how many are left."""

from datetime import datetime, timedelta
from fractions import Fraction

import attrs

from domain.credits.explanation import PurchaseExplanation, ReturnedTime
from domain.payments.entitlements import LineBalance
from domain.payments.invoices import LineKind
from domain.payments.purchases import PaymentStatus, Purchase
from entrypoints.amounts import amount_in_words
from entrypoints.presenting import present

CREDITS_DECIMALS = 4
PARTS_DECIMALS = 6


@attrs.frozen(kw_only=True)
class ExplainedLine:
    """A line of a plan, on the terms that were recorded when it was first decided; amounts are in minor units.

    `brought` is the credits that the line granted and `worth` what is due of them now, rounded to four decimals. The
    ledger adds the exact worths of all lines with the same period end and rounds the sum down. The `…_part` fields are
    fractions from 0 to 1, rounded to six decimals: the larger of unused time and refunds counts, plus disputes.
    """

    id: str
    plan: str
    kind: LineKind
    starts_at: datetime
    ends_at: datetime
    quantity: float
    amount: int
    amount_after_discounts: int
    brought: float
    why: str
    unused_part: float
    refunded_part: float
    disputed_part: float
    worth: float
    price: str | None
    subscription_item: str | None


@attrs.frozen(kw_only=True)
class ExplainedReturn:
    """Unused time that the invoice returns: of which invoice, and of which of its recorded lines.

    `amount` is in minor units, after discounts. Without a recorded line it deducts nothing: none were granted.
    """

    id: str
    amount: int
    starts_at: datetime
    ends_at: datetime
    of_invoice: str | None
    of_lines: tuple[str, ...]


def lines_of(purchase: PurchaseExplanation) -> tuple[ExplainedLine, ...]:
    """Return the lines of a purchase's invoice; none for a one-time purchase."""
    return tuple(_line(balance, purchase.purchase) for balance in purchase.lines)


def returns_of(purchase: PurchaseExplanation) -> tuple[ExplainedReturn, ...]:
    """Return the unused time that a purchase's invoice returns."""
    return tuple(map(_return, purchase.unused))


def why(balance: LineBalance, currency: str | None) -> str:
    """Return in words how a line's credits were calculated, such as `1,000 credits x 24.50 of 49.00 USD`."""
    line, quantity = balance.line, Fraction(balance.line.quantity)
    each = f"{line.plan_credits:,} credits"
    times = f"{_number(quantity)} x {each}" if quantity != 1 else each
    if line.kind is LineKind.TRIAL:
        return f"a trial's {_number(balance.worth)} credits" if balance.worth else "a trial without credits"
    if line.worth == 0 and quantity > 0:
        return "nothing: another subscription of the account has this free plan"
    if line.kind is LineKind.REST and line.interval is None:
        part = amount_in_words(line.amount, None)
        return f"{each} x {part} of {amount_in_words(round(Fraction(line.unit_amount)), currency)}"
    if line.kind is LineKind.REST:
        return f"{times} x {_part_of_time(balance)} of the period's time"
    intervals = line.worth / (line.plan_credits * quantity) if quantity else Fraction(1)
    return f"{times} x {_number(intervals)} periods" if intervals != 1 else times


def number_in_words(value: float) -> str:
    """Return a number with at most four decimals, without trailing zeros."""
    text = f"{value:,.{CREDITS_DECIMALS}f}"
    return text.rstrip("0").rstrip(".")


def _line(balance: LineBalance, purchase: Purchase) -> ExplainedLine:
    line, is_paid = balance.line, purchase.payment is PaymentStatus.PAID
    return present(
        ExplainedLine,
        line,
        plan=line.plan_id,
        quantity=round(float(Fraction(line.quantity)), PARTS_DECIMALS),
        amount_after_discounts=line.net,
        brought=_credits(balance.worth),
        why=why(balance, purchase.order.currency if purchase.order else None),
        unused_part=_part(balance.unused),
        refunded_part=_part(balance.refunded),
        disputed_part=_part(balance.disputed),
        worth=_credits(balance.credits) if is_paid else 0.0,
        price=line.price_id,
    )


def _return(returned: ReturnedTime) -> ExplainedReturn:
    return present(ExplainedReturn, returned.unused, of_invoice=returned.invoice_id, of_lines=returned.line_ids)


def _part_of_time(balance: LineBalance) -> str:
    part = balance.worth / balance.line.worth
    if part == Fraction(1, 2):
        return "half"
    if part == 1:
        return "all"
    days, whole = balance.line.lasts / timedelta(days=1), balance.line.lasts / timedelta(days=1) / float(part)
    return f"{days:,.4g} of {whole:,.4g} days"


def _number(value: Fraction) -> str:
    return number_in_words(float(value))


def _credits(value: Fraction) -> float:
    return float(round(value, CREDITS_DECIMALS))


def _part(value: Fraction) -> float:
    return float(round(value, PARTS_DECIMALS))
