"""Values the items of a one-time sale: one or more packs in any quantity, also beside other products.

An item belongs to a pack by its price's id, in the catalogue or the ledger, or by the price's metadata, otherwise by
its unit amount and currency (docs/events.md).
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import attrs

from domain.payments.line_terms import MadePrice, Undecidable
from domain.payments.reports import Attribution, Price, SaleItem, SaleReport
from domain.values.money import Money
from domain.values.plans import MAX_CREDITS, Catalogue, Plan, PlanMode, Terms


@attrs.frozen(kw_only=True)
class Cart:
    """The packs that were sold together, or the one plan that was."""

    plan: Plan
    """The pack with the largest amount."""
    credits: int
    lasts_days: int
    """Days from the payment until the credits expire; 0 means never."""


@attrs.frozen(kw_only=True)
class _Pack:
    plan: Plan
    credits: int


def value_items(items: Sequence[SaleItem], attribution: Attribution, catalogue: Catalogue) -> Cart | Undecidable | None:
    """Return the packs among the items, or why that is unclear; None if there are none."""
    by_id = {item.id: pack for item in items if (pack := _by_id(item, attribution, catalogue)) is not None}
    sold: list[tuple[SaleItem, _Pack]] = []
    for item in items:
        found = by_id.get(item.id) or _by_amount(item, items, attribution, catalogue, by_id)
        if isinstance(found, Undecidable):
            return found
        if found is None:
            continue
        unit = item.price.unit_amount
        if (
            unit is None
            or not found.credits
            or (item.currency == item.price.currency and unit * item.quantity != item.amount)
        ):
            # Tiers, packages, or a price that nobody offered: the number of credits is undefined.
            return Undecidable("price_disagrees", item.price.id)
        sold.append((item, found))
    if not sold:
        return None
    credits_ = sum((pack.credits * item.quantity for item, pack in sold), Fraction(0))
    main, main_pack = max(sold, key=lambda one: (one[0].amount, one[0].id))
    if credits_.denominator != 1 or not 1 <= credits_ <= MAX_CREDITS:
        return Undecidable("price_disagrees", main.price.id)
    lasts = [pack.plan.expires_after_days for _, pack in sold]
    return Cart(plan=main_pack.plan, credits=int(credits_), lasts_days=max(lasts) if all(lasts) else 0)


def with_item_prices(sale: SaleReport, prices: Iterable[Price]) -> SaleReport:
    """Return the sale with the known prices of its items."""
    known = {price.id: price for price in prices}
    items = (
        attrs.evolve(item, price=known[item.price.id]) if item.price.id in known else item for item in sale.items or ()
    )
    return attrs.evolve(sale, items=tuple(items))


def with_made_prices(sale: SaleReport, made: Iterable[MadePrice]) -> SaleReport:
    """Return the sale whose items bring what the ledger recorded of their prices: metadata can be edited at Stripe."""
    known = {price.id: price for price in made}
    items = sale.items and tuple(
        attrs.evolve(item, price=attrs.evolve(item.price, plan_id=price.plan_id, credits=price.credits))
        if item.price.id is not None and (price := known.get(item.price.id)) is not None
        else item
        for item in sale.items
    )
    return attrs.evolve(sale, items=items)


def _by_id(item: SaleItem, attribution: Attribution, catalogue: Catalogue) -> _Pack | None:
    price = item.price
    plan, credits_ = (catalogue.of_price(price.id), None) if price.id is not None else (None, None)
    if plan is None and price.plan_id is not None:
        plan, credits_ = catalogue.find(price.plan_id), price.credits
    if plan is None or plan.mode is not PlanMode.PAYMENT:
        return None
    return _Pack(plan=plan, credits=credits_ or _credits_at(plan, item, attribution))


def _by_amount(
    item: SaleItem, items: Sequence[SaleItem], attribution: Attribution, catalogue: Catalogue, by_id: dict[str, _Pack]
) -> _Pack | Undecidable | None:
    """Return the pack with that price: the named one, if it has it.

    A plan with listed prices matches by amount only in checkouts that name it. A plan to which another item belongs by
    its price's id has listed prices.
    """
    if item.price.interval is not None or catalogue.of_price(item.price.id) is not None:
        return None
    listed = {pack.plan.id for pack in by_id.values()}
    fitting = [
        plan
        for plan in catalogue.plans.values()
        if plan.mode is PlanMode.PAYMENT
        and plan.id not in listed
        and (plan.id == attribution.plan_id or not plan.stripe_prices)
        and _costs(item, plan, attribution)
    ]
    if not fitting:
        return None
    named = next((plan for plan in fitting if plan.id == attribution.plan_id), None)
    if named is None and len(fitting) > 1:
        return Undecidable("plan_ambiguous", item.price.id)
    plan = named or fitting[0]
    rivals = {
        other.price.product_id
        for other in items
        if other.id not in by_id and other.price.id != item.price.id and _costs(other, plan, attribution)
    }
    if any(product is None or product != item.price.product_id for product in rivals):
        # Only one of two products with the same price can be the pack, and it is unclear which.
        return Undecidable("plan_ambiguous", item.price.id)
    return _Pack(plan=plan, credits=_credits_at(plan, item, attribution))


def _costs(item: SaleItem, plan: Plan, attribution: Attribution) -> bool:
    """Return whether the item has a fixed price of the plan, or the one in the metadata.

    A plan of free amounts is no match for whatever costs as much as a buyer may choose.
    """
    listed = any(_is_at(item.price, one) for one in plan.fixed_prices)
    return listed or _agreed(plan, item, attribution) is not None


def _credits_at(plan: Plan, item: SaleItem, attribution: Attribution) -> int:
    """Return the credits of one item: those recorded at the sale, otherwise the catalogue's; 0 if it has none."""
    agreed, price = _agreed(plan, item, attribution), item.price
    if agreed is not None:
        return agreed.credits
    if not plan.amounts:
        return plan.terms.credits
    if price.unit_amount is None or price.unit_amount.denominator != 1 or price.currency is None:
        return 0
    terms = plan.terms_at(Money(amount=int(price.unit_amount), currency=price.currency))
    return terms.credits if terms is not None else 0


def _agreed(plan: Plan, item: SaleItem, attribution: Attribution) -> Terms | None:
    """Return the terms that the sale's metadata records for the plan, if they are for the item's price."""
    terms = attribution.terms
    if terms is None or attribution.plan_id != plan.id:
        return None
    return terms if _is_at(item.price, terms.price) else None


def _is_at(price: Price, money: Money) -> bool:
    return price.unit_amount == money.amount and price.currency == money.currency
