"""Stripe's credit notes, kept in one shape and shown in that of an API version."""

from typing import Any

from simulators.stripe.objects import Object, listed

REFUNDS_BECOME_LIST = "2025-03-31"
PARTS_COME = "2025-05-28"
"""Versions from here on tell the parts before and after payment: docs.stripe.com/changelog/basil/2025-05-28."""


def credit_note(note_id: str, of: Object, *, created: int, amount: int, lines: list[Object], **fields: Any) -> Object:
    """A note that takes an amount off an invoice."""
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": created,
        "currency": of["currency"],
        "customer": of["customer"],
        "customer_balance_transaction": None,
        "discount_amount": sum(one["discount_amount"] for one in lines),
        "discount_amounts": [],
        "effective_at": created,
        "invoice": of["id"],
        "livemode": False,
        "memo": None,
        "metadata": {},
        "number": f"{of['number']}-CN-{note_id[-2:]}",
        "out_of_band_amount": None,
        "reason": None,
        "status": "issued",
        "subtotal": sum(one["amount"] for one in lines),
        "total": amount,
        "voided_at": None,
        "_after_payment": 0,
        "_before_payment": amount,
        "_lines": lines,
        "_refunds": [],
        **fields,
    }


def note_line(line_id: str, amount: int, *, of: str | None, discount: int = 0, quantity: int | None = None) -> Object:
    """A line of a note: of an invoice's line where one is named, else a custom one."""
    return {
        "id": line_id,
        "object": "credit_note_line_item",
        "amount": amount,
        "description": None,
        "discount_amount": discount,
        "discount_amounts": [],
        "invoice_line_item": of,
        "livemode": False,
        "quantity": quantity,
        "tax_rates": [],
        "type": "invoice_line_item" if of else "custom_line_item",
        "unit_amount": None if of else amount,
        "unit_amount_decimal": None if of else str(amount),
    }


def credit_note_of(kept: Object, date: str) -> Object:
    """The fields of a note that differ from version to version."""
    before, after = kept["_before_payment"], kept["_after_payment"]
    lines = [dict(one) for one in kept["_lines"]]
    fields: Object = {"lines": listed(lines, f"/v1/credit_notes/{kept['id']}/lines"), "type": _type(before, after)}
    if date >= PARTS_COME:
        fields |= {"post_payment_amount": after, "pre_payment_amount": before}
    if date < REFUNDS_BECOME_LIST:
        return fields | {"refund": next((one["refund"] for one in kept["_refunds"]), None)}
    return fields | {"refunds": [dict(one) for one in kept["_refunds"]]}


def _type(before: int, after: int) -> str:
    if before == 0:
        return "post_payment"
    return "mixed" if after > 0 else "pre_payment"
