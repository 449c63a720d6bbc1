"""The lines of a Stripe invoice, in any API version since 2017."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import accumulate

import attrs

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.prices import decimal, is_proration, line_details, price_of_line
from domain.payments.reports import InvoiceLine

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def read_lines(invoice: Object) -> tuple[InvoiceLine, ...]:
    """Return the lines that an invoice shows.

    :raises UnreadableField: if a line's structure is unknown.
    """
    invoice_id = fields.own_id(invoice)
    discounted = _is_discounted(invoice)
    lines = [
        _line(line, f"{invoice_id}:{place}", is_discounted=discounted)
        for place, line in enumerate(fields.items(invoice, "lines"))
    ]
    begins = fields.text(invoice, "billing_reason") == "subscription_create"
    lines = [_with_direction(line, lines, begins=begins) for line in lines]
    return tuple(_with_parts_of_the_whole(invoice, lines))


def is_subscription_line(line: Object) -> bool:
    """Return whether a line is of a subscription item, a proration among it, and not a fee of its own."""
    kind = fields.expanded(line, "parent").get("type") or line.get("type")
    if kind in ("subscription", "subscription_item_details"):
        return True
    return is_proration(line) and kind in ("invoiceitem", "invoice_item_details")


def _line(line: Object, place: str, *, is_discounted: bool) -> InvoiceLine:
    details, period = line_details(line), fields.expanded(line, "period")
    amount = fields.amount(line, "amount", signed=True)
    discounts = [fields.amount(one, "amount", signed=True) for one in fields.items(line, "discount_amounts")]
    prorated = is_proration(line)
    is_item = is_subscription_line(line)
    starts_at, ends_at = fields.moment(period.get("start")), fields.moment(period.get("end"))
    if is_item and (starts_at is None or ends_at is None):
        raise UnreadableField("a line's period is missing or not a time")
    credited = fields.expanded(fields.expanded(details or line, "proration_details"), "credited_items")
    is_discounted = is_discounted or bool(discounts) or bool(line.get("discounts"))
    net = amount - sum(discounts)
    return InvoiceLine(
        id=_line_id(line, place),
        amount=amount,
        net=net,
        gross=net + _exclusive_taxes(line),
        quantity=_quantity(line),
        starts_at=starts_at or _NO_TIME,
        ends_at=ends_at or _NO_TIME,
        is_subscription=is_item,
        is_proration=prorated,
        gives_back=prorated and amount < 0,
        is_shown_after_discounts=prorated and not any(discounts) and is_discounted,
        subscription_item=fields.reference(details or line, "subscription_item"),
        price=price_of_line(line),
        credited_invoice=fields.reference(credited, "invoice") if prorated else None,
        credited_lines=tuple(_ids(credited, "invoice_line_items")) if prorated else (),
    )


def _with_direction(line: InvoiceLine, lines: Sequence[InvoiceLine], *, begins: bool) -> InvoiceLine:
    """Return the line, and whether it credits unused time when a full discount hides the sign.

    Stripe names what is credited, or lists the unused time of a change before the rest that is paid for.
    """
    if not line.is_proration or line.amount != 0:
        return line
    if line.credited_invoice is not None or line.credited_lines:
        return attrs.evolve(line, gives_back=True)
    change = [
        other
        for other in lines
        if other.is_proration
        and (other.subscription_item, other.starts_at, other.ends_at)
        == (line.subscription_item, line.starts_at, line.ends_at)
    ]
    priced = [other.amount for other in change if other.amount != 0]
    if priced:
        return attrs.evolve(line, gives_back=min(priced) > 0)
    unnamed = [other for other in change if other.credited_invoice is None and not other.credited_lines]
    if len(unnamed) < len(change):
        return line
    gives_back = not begins if len(change) == 1 else change.index(line) < len(change) // 2
    return attrs.evolve(line, gives_back=gives_back)


def _with_parts_of_the_whole(invoice: Object, lines: Sequence[InvoiceLine]) -> Sequence[InvoiceLine]:
    """Return the lines with their parts of a discount and a tax that the invoice shows as a whole only.

    So do API versions before lines had `discount_amounts` and `tax_amounts`. Prorations are shown after discounts.
    """
    shown = list(fields.items(invoice, "lines"))
    tax, subtotal, total = (_whole(invoice, key) for key in ("tax", "subtotal", "total"))
    if (
        subtotal is not None
        and total is not None
        and not any(line.get("discount_amounts") is not None for line in shown)
    ):
        discounted = [line.amount if line.amount > 0 and not line.is_proration else 0 for line in lines]
        off = _parts(max(subtotal + (tax or 0) - total, 0), discounted)
        lines = [
            attrs.evolve(line, net=line.net - part, gross=line.gross - part)
            for line, part in zip(lines, off, strict=True)
        ]
    if tax and not any(line.get("tax_amounts") is not None or line.get("taxes") is not None for line in shown):
        added = _parts(tax, [line.net for line in lines])
        lines = [attrs.evolve(line, gross=line.gross + part) for line, part in zip(lines, added, strict=True)]
    return lines


def _whole(invoice: Object, key: str) -> int | None:
    return fields.amount(invoice, key, signed=True) if invoice.get(key) is not None else None


def _parts(amount: int, weights: Sequence[int]) -> list[int]:
    """Return the amount in parts by weight, whole numbers that sum to it; nothing where the weights sum to nothing."""
    total, before, parts = sum(weights), 0, []
    if total <= 0:
        return [0] * len(weights)
    for weight in accumulate(weights):
        parts.append(amount * weight // total - before)
        before += parts[-1]
    return parts


def _line_id(line: Object, place: str) -> str:
    """Return an id of the line that no other of the invoice has: before 2019-12-03 it was that of the subscription."""
    unique = fields.reference(line, "unique_id") or fields.own_id(line)
    return f"{place}:{unique}" if unique.startswith("sub_") else unique


def _is_discounted(invoice: Object) -> bool:
    return bool(
        invoice.get("discount")
        or invoice.get("discounts")
        or any(one.get("amount") for one in fields.items(invoice, "total_discount_amounts"))
    )


def _exclusive_taxes(line: Object) -> int:
    old = [one for one in fields.items(line, "tax_amounts") if one.get("inclusive") is not True]
    new = [one for one in fields.items(line, "taxes") if one.get("tax_behavior") != "inclusive"]
    return sum(fields.amount(one, "amount", signed=True) for one in (new or old))


def _quantity(line: Object) -> Fraction:
    exact = decimal(line, "quantity_decimal")
    whole = decimal(line, "quantity")
    return exact if exact is not None else whole if whole is not None else Fraction(1)


def _ids(holder: Object, key: str) -> list[str]:
    found = holder.get(key)
    if not isinstance(found, list):
        return []
    return [id_ for one in found if (id_ := fields.identifier(one)) is not None]
