"""The lines of subscriptions: whole periods, and the parts of periods that a change gives back or bills.

A part is a share of the price by seconds, rounded once. What is shown of discounts on it differs: classic billing has
them in the amount, flexible billing has them there too (and says so by amounts of 0), or itemizes them.
"""

from collections.abc import Sequence
from fractions import Fraction

from simulators.stripe.account.books import Books
from simulators.stripe.account.coupons import is_in_force, taken_off
from simulators.stripe.account.lines import line
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object


def period_line(books: Books, found: Object, item: Object) -> Object:
    """Return the line of a whole period, 0 for a trial; it is what later changes give back."""
    is_trial = found["status"] == "trialing"
    start, end = found["_period"]
    amount, discount = 0 if is_trial else _price_of(item), discount_in_force(books, found)
    made = _line(books, found, item, amount, start=start, end=end, said="Trial period for" if is_trial else None)
    made |= {"_gross": Fraction(amount), "_unit_amount": "0" if is_trial else None}
    if discount is not None:
        made["discount_amounts"] = _amounts(discount, taken_off(amount, discount))
    item |= {"_debit": made, "_debit_discount": discount}
    return made


def rest_of_period(books: Books, found: Object, item: Object, *, at: int) -> Object:
    """Return the line of what is left of a period at that moment; later changes give back of it."""
    start, end = found["_period"]
    gross = _price_of(item) * _left(start, end, at)
    discount = discount_in_force(books, found)
    made = _proration(books, found, item, gross, discount, start=at, end=end, said="Remaining time on")
    item |= {"_debit": made, "_debit_discount": discount}
    return made


def unused_time(books: Books, found: Object, items: Sequence[Object], *, at: int) -> list[Object]:
    """Return the lines that give back what is left of the period of these items at that moment.

    Classic billing computes them from an item's present price and quantity, and the discount in force or the last one;
    flexible billing from what was billed, and nothing of what never was. In a trial there is nothing to give back.
    """
    if found["status"] == "trialing":
        return []
    is_flexible = found["_terms"].is_flexible
    return [_unused(books, found, item, at) for item in items if item["_debit"] or not is_flexible]


def _unused(books: Books, found: Object, item: Object, now: int) -> Object:
    terms, billed = found["_terms"], item["_debit"]
    if terms.is_flexible:
        start, end = billed["period"]["start"], billed["period"]["end"]
        gross, discount = billed["_gross"] * _left(start, end, now), item["_debit_discount"]
    else:
        start, end = found["_period"]
        gross = _price_of(item) * _left(start, end, now)
        discount = discount_in_force(books, found) or item["_debit_discount"]
    made = _proration(books, found, item, -gross, discount, start=now, end=end, said="Unused time on")
    if terms.is_flexible or terms.names_credited:
        made["_credits"] = billed
    return made


def discount_in_force(books: Books, found: Object) -> Object | None:
    """Return the discount that takes something off what a subscription is billed now."""
    discount: Object | None = found["_discount"]
    return discount if is_in_force(discount, books.now()) else None


def _proration(
    books: Books,
    found: Object,
    item: Object,
    gross: Fraction,
    discount: Object | None,
    *,
    start: int,
    end: int,
    said: str,
) -> Object:
    terms, shown = found["_terms"], rounded(gross)
    percent = Fraction(str(discount["_coupon"]["percent_off"])) if discount else Fraction(0)
    amount = shown if terms.itemizes else rounded(gross * (100 - percent) / 100)
    made = _line(books, found, item, amount, start=start, end=end, said=said)
    made |= {"discountable": False, "_gross": gross, "_proration": True, "_unit_amount": str(amount)}
    if discount is not None and terms.is_flexible:
        off = taken_off(amount, discount) if terms.itemizes else 0
        made |= {"discounts": [discount["id"]], "discount_amounts": _amounts(discount, off)}
    return made


def _line(books: Books, found: Object, item: Object, amount: int, *, start: int, end: int, said: str | None) -> Object:
    name = books.kept("product", item["_price"]["product"])["name"]
    return line(
        books.new_id("il_"),
        amount,
        start=start,
        end=end,
        currency=found["currency"],
        description=" ".join(filter(None, (said, f"{item['quantity']} of {name}"))),
        quantity=item["quantity"],
        _is_flexible=found["_terms"].is_flexible,
        _item=item["id"],
        _price=item["_price"],
        _subscription=found["id"],
    )


def _price_of(item: Object) -> int:
    """Return what a period of an item costs ahead; what is metered is billed by its use."""
    price = item["_price"]
    return 0 if price["recurring"]["usage_type"] == "metered" else int(price["unit_amount"]) * int(item["quantity"])


def _left(start: int, end: int, now: int) -> Fraction:
    return Fraction(min(max(end - now, 0), end - start), max(end - start, 1))


def _amounts(discount: Object, off: int) -> list[Object]:
    return [{"amount": off, "discount": discount["id"]}]
