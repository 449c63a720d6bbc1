"""A Stripe price as a line shows it: an expanded price or plan, or its id alone, in any API version since 2017."""

from fractions import Fraction

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from domain.payments.reports import Price
from domain.values.plans import MAX_CREDITS

PRICE_PLAN_KEY = "credence_plan"
PRICE_CREDITS_KEY = "credence_credits"
"""Metadata of a price by which a merchant says which plan it is of, and how many credits one interval brings."""


def price_of_line(line: Object) -> Price:
    """Return the price as a line of an invoice shows it.

    :raises UnreadableField: if its structure is unknown.
    """
    for key in ("price", "plan"):
        if isinstance(line.get(key), dict):
            return read_price(fields.expanded(line, key))
    pricing = fields.expanded(line, "pricing")
    details = fields.expanded(pricing, "price_details")
    if isinstance(details.get("price"), dict):
        return read_price(fields.expanded(details, "price"))
    return Price(
        id=fields.reference(details, "price") or fields.reference(line, "price") or fields.reference(line, "plan"),
        product_id=fields.reference(details, "product"),
        # A proration shows the item's own amount here, and no price.
        unit_amount=None if is_proration(line) else decimal(pricing, "unit_amount_decimal"),
        currency=fields.currency(line) if line.get("currency") is not None else None,
    )


def read_price(price: Object) -> Price:
    """Return the price in a `price` object, or in a `plan` object from before 2020.

    :raises UnreadableField: if its structure is unknown.
    """
    recurring = fields.expanded(price, "recurring") or (price if price.get("object") == "plan" else {})
    if not recurring and "interval" in price:
        recurring = price
    count = recurring.get("interval_count")
    metadata = fields.metadata(price)
    depends_on_quantity = price.get("billing_scheme") == "tiered" or isinstance(price.get("transform_quantity"), dict)
    unit = next(
        (
            found
            for key in ("unit_amount_decimal", "unit_amount", "amount_decimal", "amount")
            if (found := decimal(price, key)) is not None
        ),
        None,
    )
    return Price(
        id=fields.reference(price, "id"),
        product_id=fields.reference(price, "product"),
        unit_amount=None if depends_on_quantity else unit,
        currency=fields.currency(price) if price.get("currency") is not None else None,
        interval=fields.text(recurring, "interval"),
        interval_count=count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 1,
        is_metered=recurring.get("usage_type") == "metered",
        plan_id=fields.metadata_text(metadata, PRICE_PLAN_KEY),
        credits=_credits(metadata),
        is_complete=True,
    )


def is_proration(line: Object) -> bool:
    """Return whether a line of an invoice is a proration."""
    return line.get("proration") is True or line_details(line).get("proration") is True


def line_details(line: Object) -> Object:
    """Return the details from a line's parent, in API versions since 2025-03-31; empty in older ones."""
    parent = fields.expanded(line, "parent")
    kind = parent.get("type")
    return fields.expanded(parent, kind) if isinstance(kind, str) else {}


def decimal(holder: Object, key: str) -> Fraction | None:
    """Return a decimal number that Stripe writes as text, or a whole one; None where there is none.

    :raises UnreadableField: if it is neither.
    """
    value = holder.get(key)
    if not fields.is_present(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, str) and fields.DECIMAL.fullmatch(value):
        return Fraction(value)
    raise UnreadableField(f"{key} is not a decimal number")


def _credits(metadata: Object) -> int | None:
    text = fields.metadata_text(metadata, PRICE_CREDITS_KEY)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= MAX_CREDITS:
        raise UnreadableField(f"metadata.{PRICE_CREDITS_KEY} is not a valid number of credits")
    return int(text)
