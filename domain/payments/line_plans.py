"""Finds the plan of an invoice's line, and the terms on which it was sold.

A line belongs to a plan by its price's id or metadata, otherwise by its unit amount, currency and interval; the sum of
several lines never decides. The rules are those of docs/plans.md.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import attrs

from domain.payments.invoices import Line
from domain.payments.line_prices import catalogue_price, credits_at, fits, is_sold_at
from domain.payments.line_terms import LineTerms, MadePrice, SoldTerms, Undecidable, named_terms, sold_at, sold_terms
from domain.payments.reports import InvoiceLine, Price, SaleReport
from domain.values.plans import PlanId, PlanMode


def prices_to_ask(sale: SaleReport, terms: LineTerms) -> tuple[str, ...]:
    """Return the ids of the prices that are needed to find the plans of the invoice's lines or to value them."""
    all_lines = sale.lines or ()
    asked = [
        line.price.id
        for line in all_lines
        if line.price.id is not None
        and not line.gives_back
        and line.is_subscription
        and _needs_price(line, all_lines, terms)
    ]
    return tuple(dict.fromkeys(asked))


def with_prices(sale: SaleReport, prices: Iterable[Price]) -> SaleReport:
    """Return the sale with the prices of its lines completed by what Stripe returned."""
    known = {price.id: price for price in prices}
    lines = tuple(
        attrs.evolve(line, price=_completed(line, known[line.price.id])) if line.price.id in known else line
        for line in sale.lines or ()
    )
    return attrs.evolve(sale, lines=lines)


def _completed(line: InvoiceLine, price: Price) -> Price:
    # A line for a whole period that shows its own price keeps it: the price may have been changed since.
    shown = line.price.unit_amount
    return attrs.evolve(price, unit_amount=shown) if shown and not line.is_proration else price


def _needs_price(line: InvoiceLine, all_lines: Sequence[InvoiceLine], terms: LineTerms) -> bool:
    price = line.price
    if price.is_complete or any(known.price_id == price.id for known in terms.recorded) or _made(line, terms):
        return False
    if terms.catalogue.of_price(price.id) is not None:
        return line.is_proration or line.amount == 0
    return not _is_as_agreed(line, all_lines, terms)


def made_prices(all_lines: Sequence[InvoiceLine], terms: LineTerms) -> tuple[MadePrice, ...]:
    """Return the new prices that Credence created from the terms in the subscription's metadata."""
    named = named_terms(terms, None)
    if named is None:
        return ()
    return tuple(
        MadePrice(
            id=line.price.id,
            plan_id=named.plan.id,
            credits=named.credits,
            unit_amount=str(named.unit_amount),
            currency=named.currency,
            interval=named.plan.interval,
            interval_count=named.plan.interval_count,
        )
        for line in all_lines
        if line.price.id is not None
        and line.is_subscription
        and line.amount != 0
        and _by_id(line, terms) is None
        and _is_as_agreed(line, all_lines, terms)
    )


def _made(line: InvoiceLine, terms: LineTerms) -> MadePrice | None:
    return next((made for made in terms.made if made.id == line.price.id), None)


def _is_as_agreed(line: InvoiceLine, all_lines: Sequence[InvoiceLine], terms: LineTerms) -> bool:
    """Return whether the line is the only one that can have the terms in the subscription's metadata."""
    named = named_terms(terms, line.price.currency)
    return (
        terms.attribution.terms is not None
        and named is not None
        and not line.is_proration
        and (line.amount == 0 or fits(line, named))
        and sum(1 for other in all_lines if not other.is_proration and (other.amount == 0 or fits(other, named))) <= 1
    )


def terms_of(line: InvoiceLine, all_lines: Sequence[InvoiceLine], terms: LineTerms) -> SoldTerms | Undecidable | None:
    """Return the terms on which a line was sold; None if it belongs to no plan."""
    by_id = _by_id(line, terms)
    if by_id is not None:
        return by_id
    return _by_amount(line, all_lines, terms) if _may_go_by_amount(line, all_lines, terms) else None


def _may_go_by_amount(line: InvoiceLine, all_lines: Sequence[InvoiceLine], terms: LineTerms) -> bool:
    """Return whether the line's amount may identify its plan: not beside another item whose price's id does.

    An item that changed between the two kinds of prices keeps its plan, in whatever order its invoices are reported.
    """
    if line.price.id is not None and any(known.price_id == line.price.id for known in terms.recorded):
        return True
    beside = [other for other in all_lines if other is not line and not other.gives_back and _by_id(other, terms)]
    recorded = [known for known in terms.recorded if known.is_known_by_id]
    if not beside and not recorded:
        return True
    items = {one.subscription_item for one in beside} | {one.subscription_item for one in recorded}
    items.discard(None)
    return line.subscription_item is not None and items <= {line.subscription_item}


def _by_id(line: InvoiceLine, terms: LineTerms) -> SoldTerms | None:
    price = line.price
    if price.id is None:
        return None
    plan, credits_ = terms.catalogue.of_price(price.id), None
    made = _made(line, terms)
    if plan is None and made is not None and (plan := terms.catalogue.find(PlanId(made.plan_id))) is not None:
        return sold_at(made, plan, price.currency)
    if plan is None and price.plan_id is not None:
        plan, credits_ = terms.catalogue.find(price.plan_id), price.credits
    recorded = next((known for known in terms.recorded if known.price_id == price.id), None)
    if plan is None and recorded is not None and recorded.is_known_by_id:
        # Its metadata was fetched once; not every line shows it.
        plan, credits_ = terms.catalogue.find(recorded.plan_id), recorded.plan_credits
    if plan is None:
        return None
    unit = price.unit_amount
    if not price.is_complete and (line.is_proration or not unit):
        # Such a line shows its own amount, or a trial's.
        unit = None if recorded is None else Fraction(recorded.unit_amount)
    listed = catalogue_price(plan, price.currency)
    if unit is None:
        unit = Fraction(listed.amount)
    return SoldTerms(
        plan=plan,
        credits=credits_ or credits_at(plan, unit, price.currency, terms.attribution),
        unit_amount=unit,
        currency=price.currency or listed.currency,
        by_id=True,
    )


def _by_amount(  # noqa: PLR0911 - one return per way to identify a plan
    line: InvoiceLine, all_lines: Sequence[InvoiceLine], terms: LineTerms
) -> SoldTerms | Undecidable | None:
    recorded = next((known for known in terms.recorded if line.price.id and known.price_id == line.price.id), None)
    if recorded is not None:
        plan = terms.catalogue.find(recorded.plan_id)
        if plan is not None:
            unit, code = Fraction(recorded.unit_amount), line.price.currency
            is_sold_so = is_sold_at(plan, unit, code, terms.attribution)
            credits_ = credits_at(plan, unit, code, terms.attribution) if is_sold_so else recorded.plan_credits
            currency = code or plan.terms.price.currency
            return SoldTerms(plan=plan, credits=credits_, unit_amount=unit, currency=currency, by_id=False)
    named = named_terms(terms, line.price.currency)
    if line.amount == 0 and not line.price.unit_amount:
        # Lines of trials and free plans show no price: the subscription's metadata identifies the plan.
        return named if named is not None and _may_be_a_trial(line, named, all_lines, terms) else None
    fitting = [found for found in _candidates(terms, named) if fits(line, found)]
    if not fitting:
        return None
    if fitting[0] is not named and len({found.plan.id for found in fitting}) > 1:
        return Undecidable("plan_ambiguous", line.price.id)
    rivals = {
        other.price.id: other.price.product_id
        for other in all_lines
        if other.subscription_item != line.subscription_item
        and not other.gives_back
        and other.price.id != line.price.id
        and fits(other, fitting[0])
    }
    if any(product is None or product != line.price.product_id for product in rivals.values()):
        items = {known.subscription_item for known in terms.recorded}
        if line.subscription_item in items:
            return fitting[0]
        others = {other.subscription_item for other in all_lines if other.price.id in rivals}
        return None if others & items else Undecidable("plan_ambiguous", line.price.id)
    return fitting[0]


def _may_be_a_trial(line: InvoiceLine, named: SoldTerms, all_lines: Sequence[InvoiceLine], terms: LineTerms) -> bool:
    """Return whether a free line belongs to the plan that the subscription's metadata names.

    It does not if its price is known to be another, nor beside a line of the plan or of the plan's subscription item.
    """
    if line.price.is_complete and line.price.unit_amount != named.unit_amount:
        return False
    beside = (other for other in all_lines if other is not line and not other.gives_back and not other.is_proration)
    return not is_of_another_item(line, terms.recorded) and not any(fits(other, named) for other in beside)


def _candidates(terms: LineTerms, named: SoldTerms | None) -> list[SoldTerms]:
    plans = [plan for plan in terms.catalogue.plans.values() if plan.mode is PlanMode.SUBSCRIPTION]
    if named is not None:
        plans.sort(key=lambda plan: plan.id != named.plan.id)
    of_catalogue = [
        sold_terms(plan, attrs.evolve(plan.terms, price=price)) for plan in plans for price in plan.fixed_prices
    ]
    # The named plan on its catalogue terms does not compete with itself.
    return of_catalogue if named is None else [named, *(one for one in of_catalogue if one != named)]


def is_of_another_item(line: InvoiceLine, recorded: Sequence[Line]) -> bool:
    """Return whether a line has a different subscription item from the recorded lines of plans."""
    items = {known.subscription_item for known in recorded if known.subscription_item is not None}
    return bool(items) and line.subscription_item is not None and line.subscription_item not in items
