"""Stripe's invoices and their payments, kept in one shape and shown in that of an API version."""

from typing import Any

from simulators.stripe.account.coupon_shapes import discount_of
from simulators.stripe.account.lines import gross, line_of
from simulators.stripe.objects import Object, listed

INVOICES_LEAVE_PAYMENTS = "2025-03-31"
LINES_SHOWN = 10
"""How many of its lines an invoice has in itself."""


def invoice(invoice_id: str, *, created: int, reason: str, lines: list[Object], **fields: Any) -> Object:
    """Return a draft; its lines make its total."""
    subtotal, total = sum(one["amount"] for one in lines), sum(map(gross, lines))
    return {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": max(total, 0),
        "amount_paid": 0,
        "amount_remaining": max(total, 0),
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "customer": None,
        "customer_email": None,
        "discounts": [],
        "due_date": None,
        "ending_balance": None,
        "hosted_invoice_url": None,
        "livemode": False,
        "metadata": {},
        "number": None,
        "period_end": created,
        "period_start": created,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": subtotal,
        "total": total,
        "total_discount_amounts": _total_discounts(lines),
        "_charge": None,
        "_discount": None,
        "_finalizes_at": None,
        "_lines": lines,
        "_overpaid": 0,
        "_paid_off_stripe": 0,
        "_payment_intent": None,
        "_prorated_at": None,
        "_subscription": None,
        "_subscription_metadata": {},
        **fields,
    }


def invoice_payment(payment_id: str, paid: Object, intent: Object, *, created: int) -> Object:
    """Return which payment paid an invoice, and how much of it."""
    return {
        "id": payment_id,
        "object": "invoice_payment",
        "amount_paid": intent["amount"],
        "amount_requested": intent["amount"],
        "created": created,
        "currency": paid["currency"],
        "invoice": paid["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "paid",
    }


def lines_of(kept: Object, version: str) -> list[Object]:
    """Return all lines of an invoice, of which it shows the first few itself."""
    return [line_of(one, kept, version[:10]) for one in kept["_lines"]]


def invoice_of(kept: Object, date: str) -> Object:
    """Return the fields of an invoice that differ from version to version."""
    lines = lines_of(kept, date)
    first = listed(lines[:LINES_SHOWN], f"/v1/invoices/{kept['id']}/lines", has_more=len(lines) > LINES_SHOWN)
    fields: Object = {"lines": first | {"total_count": len(lines)}}
    subscription, metadata = kept["_subscription"], kept["_subscription_metadata"]
    prorated = {"subscription_proration_date": kept["_prorated_at"]} if kept["_prorated_at"] else {}
    if date >= INVOICES_LEAVE_PAYMENTS:
        details = {"metadata": metadata, "subscription": subscription, **prorated}
        parent = {"quote_details": None, "subscription_details": details, "type": "subscription_details"}
        return fields | {
            "amount_overpaid": kept["_overpaid"],
            "amount_paid_off_stripe": kept["_paid_off_stripe"],
            "parent": parent if subscription else None,
            "total_taxes": [tax for line in lines for tax in line["taxes"]],
        }
    # What was paid outside of Stripe is no payment in these versions, though it settles the invoice.
    paid = kept["amount_paid"] - kept["_paid_off_stripe"]
    return fields | {
        **prorated,
        "amount_paid": paid,
        "amount_remaining": kept["amount_due"] - paid,
        "charge": kept["_charge"],
        "discount": discount_of(kept["_discount"], date) if kept["_discount"] else None,
        "paid": kept["status"] == "paid",
        "paid_out_of_band": kept["_paid_off_stripe"] > 0,
        "payment_intent": kept["_payment_intent"],
        "subscription": subscription,
        "subscription_details": {"metadata": metadata if subscription else None},
        "tax": _tax(kept),
        "total_tax_amounts": [tax for line in lines for tax in line["tax_amounts"]],
    }


def _tax(kept: Object) -> int | None:
    taxes = [line["_tax"] for line in kept["_lines"] if line["_tax"] is not None]
    return sum(taxes) if taxes else None


def _total_discounts(lines: list[Object]) -> list[Object]:
    totals: dict[str, int] = {}
    for one in (amount for kept in lines for amount in kept["discount_amounts"]):
        totals[one["discount"]] = totals.get(one["discount"], 0) + one["amount"]
    return [{"amount": amount, "discount": discount} for discount, amount in totals.items()]
