"""Values each line of a paid invoice on the terms in force when it is first decided.

The rules are those of docs/plans.md.
"""

from collections.abc import Collection, Sequence
from fractions import Fraction

import attrs

from domain.payments.invoices import Bill, Line, LineKind, UnusedTime
from domain.payments.line_plans import is_of_another_item, terms_of
from domain.payments.line_prices import periods_spanned
from domain.payments.line_terms import Claimed, LineTerms, SoldTerms, Undecidable, named_terms
from domain.payments.reports import InvoiceLine, SaleReport
from domain.values.plans import MAX_CREDITS

_MAX_RECORDED = 2**63 - 1
"""The largest number that the ledger can store."""


def value_lines(sale: SaleReport, subscription_id: str, terms: LineTerms) -> Bill | Undecidable:
    """Return the invoice's lines of plans with their worth, and its unused time; or the line that is unclear."""
    all_lines = sale.lines or ()
    lines: list[Line] = []
    strangers: list[InvoiceLine] = []
    for line in all_lines:
        if line.gives_back or not line.is_subscription or line.price.is_metered:
            continue
        found = terms_of(line, all_lines, terms)
        if isinstance(found, Undecidable):
            return found
        if found is None:
            strangers.append(line)
            continue
        valued = _valued(line, found, subscription_id, terms)
        if isinstance(valued, Undecidable):
            return valued
        lines.append(valued)
    if not lines:
        doubtful = [line for line in strangers if line.amount > 0 and not is_of_another_item(line, terms.recorded)]
        accepted = _accepted(doubtful, terms)
        if doubtful and accepted is None:
            return Undecidable("price_disagrees", doubtful[0].price.id)
        if accepted is not None:
            valued = _valued(doubtful[0], accepted, subscription_id, terms)
            if isinstance(valued, Undecidable):
                return valued
            lines.append(valued)
    return Bill(
        subscription_id=subscription_id,
        lines=tuple(sorted(lines, key=lambda line: line.id)),
        unused=tuple(sorted((_unused(line) for line in all_lines if line.gives_back), key=lambda line: line.id)),
        total=sum(line.gross for line in all_lines if line.amount > 0),
        issued_at=sale.issued_at,
    )


def _valued(line: InvoiceLine, terms: SoldTerms, subscription_id: str, known: LineTerms) -> Line | Undecidable:
    plan, per_unit = terms.plan, Fraction(terms.credits)
    # A free plan is granted once, whatever the quantity.
    quantity = line.quantity if terms.unit_amount > 0 else min(line.quantity, Fraction(1))
    worth, kind, by_time = per_unit * quantity, LineKind.PERIOD, False
    price = terms.unit_amount * line.quantity
    if line.is_proration:
        kind, by_time = LineKind.REST, line.is_shown_after_discounts or line.amount == 0
        if not by_time:
            if terms.unit_amount <= 0:
                return Undecidable("price_disagrees", line.price.id)
            worth = per_unit * line.amount / terms.unit_amount
    elif line.amount == 0 and price > 0:
        kind, worth = LineKind.TRIAL, Fraction(plan.trial_credits)
    elif line.price.unit_amount is None and not known.attribution.accepts_price:
        return Undecidable("price_disagrees", line.price.id)
    else:
        spanned = max(periods_spanned(line, plan), 1)
        counts = [count for count in (1, spanned) if abs(line.amount - price * count) < 1]
        if not counts:
            return Undecidable("price_disagrees", line.price.id)
        worth *= counts[0]
    if worth > MAX_CREDITS or worth.numerator > _MAX_RECORDED:
        return Undecidable("price_disagrees", line.price.id)
    if _was_claimed(line, kind, terms, subscription_id, known.claimed):
        worth = Fraction(0)
    return Line(
        id=line.id,
        kind=kind,
        plan_id=plan.id,
        credits=worth.numerator,
        parts=worth.denominator,
        interval=plan.interval if by_time else None,
        interval_count=plan.interval_count if by_time else 1,
        plan_credits=terms.credits,
        unit_amount=str(terms.unit_amount),
        quantity=str(line.quantity),
        amount=line.amount,
        net=line.net,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        subscription_item=line.subscription_item,
        price_id=line.price.id,
        product_id=line.price.product_id,
        is_known_by_id=terms.by_id,
        grace_days=plan.grace_days,
        rolls_over=plan.rollover,
        rollover_cap=plan.rollover_cap,
    )


def _was_claimed(
    line: InvoiceLine, kind: LineKind, terms: SoldTerms, subscription_id: str, claimed: Collection[Claimed]
) -> bool:
    """Return whether the account has had the plan's trial, or has its free plan elsewhere at that time."""
    of_plan = [one for one in claimed if one.plan_id == terms.plan.id]
    if kind is LineKind.TRIAL:
        return any(one.kind is LineKind.TRIAL for one in of_plan)
    if terms.unit_amount > 0:
        return False
    return any(
        one.kind is not LineKind.TRIAL
        and one.subscription_id != subscription_id
        and one.starts_at < line.ends_at
        and line.starts_at < one.ends_at
        for one in of_plan
    )


def _unused(line: InvoiceLine) -> UnusedTime:
    return UnusedTime(
        id=line.id,
        amount=max(-line.net, 0),
        quantity=str(line.quantity),
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        subscription_item=line.subscription_item,
        price_id=line.price.id,
        credited_invoice=line.credited_invoice,
        credited_lines=line.credited_lines,
    )


def _accepted(doubtful: Sequence[InvoiceLine], terms: LineTerms) -> SoldTerms | None:
    """Return the terms on which an operator accepted a line of another price for the plan that they named."""
    named = named_terms(terms, doubtful[0].price.currency if doubtful else None)
    if not doubtful or named is None or not terms.attribution.accepts_price:
        return None
    return attrs.evolve(named, unit_amount=Fraction(doubtful[0].amount) / (doubtful[0].quantity or 1))
