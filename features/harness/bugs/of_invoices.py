"""Bugs in what the lines of a subscription's invoices are worth, and in when that ends."""

import math
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import attrs

from adapters.stripe.objects import credit_notes, invoices
from domain.decisions import families, payments
from domain.payments import entitlements, line_plans, line_values, periods
from domain.payments.disputes import Dispute
from domain.payments.invoices import LineKind
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker

_WRONG = Checker.BALANCE_IMPOSSIBLE


def _of_line(change: Callable[[Any, Any], Any]) -> Patch:
    """Another line than the one that was valued."""

    def valued(value: Callable[..., Any]) -> Callable[..., Any]:
        def valued_wrong(line: Any, *more: Any) -> Any:
            found = value(line, *more)
            return change(found, line) if hasattr(found, "plan_credits") else found

        return valued_wrong

    return Patch(line_values, "_valued", valued)


def _worth(worth: Fraction) -> dict[str, int]:
    return {"credits": worth.numerator, "parts": worth.denominator}


def _by_shown_amount(found: Any, line: Any) -> Any:
    if found.interval is None or not line.amount:
        return found
    worth = Fraction(found.plan_credits * line.amount) / Fraction(found.unit_amount)
    return attrs.evolve(found, interval=None, **_worth(worth))


def _whole_rest(found: Any, line: Any) -> Any:
    return attrs.evolve(found, **_worth(Fraction(found.plan_credits * line.quantity))) if line.is_proration else found


def _of_one_seat(found: Any, line: Any) -> Any:
    return found if line.is_proration else attrs.evolve(found, credits=found.plan_credits)


def _free_is_trial(found: Any, line: Any) -> Any:
    return found if line.net else attrs.evolve(found, kind=LineKind.TRIAL, credits=0)


def _of_plans_alone(parts: Callable[..., Any]) -> Callable[..., Any]:
    def parts_wrong(known: Any) -> Any:
        total = sum(line.net for line in known.bill.lines)
        return parts(attrs.evolve(known, bill=attrs.evolve(known.bill, total=total)))

    return parts_wrong


def _whole_payment(facts: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *options: attrs.evolve(facts(*options), never_paid=0)


def _by_sum(lines: Callable[..., Any]) -> Callable[..., Any]:
    def lines_wrong(sale: Any, subscription_id: str, terms: Any) -> Any:
        total, named = sum(line.amount for line in sale.lines or ()), line_plans.named_terms(terms, None)
        if named is None or total != named.unit_amount:
            return line_plans.Undecidable("price_disagrees", None)
        return lines(sale, subscription_id, terms)

    return lines_wrong


def _with_grace(days: int) -> Patch:
    return _of_line(lambda found, _: attrs.evolve(found, grace_days=days))


def _all_back(_: Any) -> property:
    return property(
        lambda dispute: Fraction(0 if any(move.amount > 0 for move in dispute.movements) else dispute.amount)
    )


BUGS = (
    Bug(
        name="no grace",
        description="Credits end with their period, though the renewal is only charged then.",
        case="upgrade at once",
        checker=Checker.ENDS,
        patches=(_with_grace(0),),
    ),
    Bug(
        name="grace after the end",
        description="Credits outlast a subscription that was canceled.",
        case="canceled with proration",
        checker=Checker.ENDS,
        patches=(
            Patch(families, "grants_due", lambda due: lambda *known, **options: due(*known[:2], None, **options)),
        ),
    ),
    Bug(
        name="the next payment ends nothing",
        description="Credits last for the whole grace, though the next period is paid.",
        case="free period",
        checker=Checker.ENDS,
        patches=(Patch(periods.Periods, "paid_on_at", lambda _: lambda _periods, _line: None),),
    ),
    Bug(
        name="a late payment does not last",
        description="A period that was paid late ends as if it had been paid in time.",
        case="late renewal",
        checker=Checker.ENDS,
        patches=(
            Patch(
                entitlements,
                "_expiry",
                lambda expiry: (
                    lambda line, purchase, *more: expiry(
                        line, attrs.evolve(purchase, paid_at=line.starts_at + timedelta(seconds=1)), *more
                    )
                ),
            ),
        ),
    ),
    Bug(
        name="a credit note's lines are ignored",
        description="It counts for the whole invoice, and not for the line that it names.",
        case="one line credited",
        checker=Checker.GRANT,
        patches=(Patch(credit_notes, "_line", lambda line: lambda one: attrs.evolve(line(one), line_id=None)),),
    ),
    Bug(
        name="what was credited before the payment is ignored",
        description="An invoice is worth as much as if all of it had been paid.",
        case="less before a renewal is paid",
        checker=_WRONG,
        patches=(Patch(invoices, "_payment_facts", _whole_payment),),
    ),
    Bug(
        name="a credit note and its refund are both taken",
        description="The refund that a credit note lists is taken once more.",
        case="credited to the card",
        checker=_WRONG,
        patches=(Patch(credit_notes, "_refunds", lambda _: lambda *_report: ()),),
    ),
    Bug(
        name="a period's fraction is rounded up",
        description="A fraction of a credit goes to the customer, of each grant.",
        case="upgrade at once",
        checker=_WRONG,
        patches=(Patch(entitlements, "math", lambda _: SimpleNamespace(floor=math.ceil)),),
    ),
    Bug(
        name="discounts are ignored in the part",
        description="A part that comes back is measured by the price before the discount.",
        case="itemized discount",
        checker=_WRONG,
        patches=(
            Patch(line_values, "_unused", lambda unused: lambda line: attrs.evolve(unused(line), amount=-line.amount)),
        ),
    ),
    Bug(
        name="a discount makes a rest smaller",
        description="An amount after the discount is held against the price before it.",
        case="to and fro at half the price",
        checker=_WRONG,
        patches=(_of_line(_by_shown_amount),),
    ),
    Bug(
        name="quantity is ignored",
        description="Several seats bring the credits of one.",
        case="seats",
        checker=_WRONG,
        patches=(_of_line(_of_one_seat),),
    ),
    Bug(
        name="a rest is a whole period",
        description="An upgrade within a period brings all of the larger plan's credits.",
        case="upgrade at the renewal",
        checker=Checker.BALANCE_TOO_HIGH,
        patches=(_of_line(_whole_rest),),
    ),
    Bug(
        name="the sum of lines names the plan",
        description="An invoice with anything beside the plan is parked.",
        case="something else",
        checker=Checker.EVENT_LOST,
        patches=(Patch(payments, "value_lines", _by_sum),),
    ),
    Bug(
        name="a free period is a trial",
        description="What a coupon covers wholly brings nothing.",
        case="free period",
        checker=_WRONG,
        patches=(_of_line(_free_is_trial),),
    ),
    Bug(
        name="a refund is of the lines of plans alone",
        description="What was refunded is measured by the plan's lines, and not by all that the invoice adds.",
        case="something else",
        checker=_WRONG,
        patches=(Patch(entitlements, "refunded_parts", _of_plans_alone),),
    ),
    Bug(
        name="a dispute that is partly reinstated gives all back",
        description="Some of the money came back, and with it all of the credits.",
        case="dispute partly reinstated",
        checker=_WRONG,
        patches=(Patch(Dispute, "away", _all_back),),
    ),
)
"""Each of one line."""
