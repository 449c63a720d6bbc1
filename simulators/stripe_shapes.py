"""Stripe's objects of a payment's later life, kept in one shape and shown in that of an API version.

What is kept has keys that begin with an underscore: they are shown only where the version has such a field.
"""

from collections.abc import Mapping
from typing import Any

from simulators.stripe_objects import Object

REFUNDS_LEAVE_CHARGES = "2022-11-15"
INVOICES_LEAVE_PAYMENTS = "2025-03-31"


LINES_SHOWN = 10
"""How many of its lines an invoice has in itself."""


def shown(kept: Object, version: str) -> Object:
    """The object as a version of the API shows it."""
    if kept.get("deleted"):
        return dict(kept)
    date = version[:10]
    told = {name: value for name, value in kept.items() if not name.startswith("_")}
    match kept["object"]:
        case "charge" | "payment_intent" if date < INVOICES_LEAVE_PAYMENTS:
            told["invoice"] = kept.get("_invoice")
        case "invoice":
            told |= _invoice_of(kept, date)
        case "subscription":
            told |= _subscription_of(kept, date)
    if kept["object"] == "charge" and date < REFUNDS_LEAVE_CHARGES:
        told["refunds"] = listed(
            [shown(refund, version) for refund in kept["_refunds"]], f"/v1/charges/{kept['id']}/refunds"
        )
    return told


def listed(data: list[Object], url: str, *, has_more: bool = False) -> Object:
    """An API list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def balance() -> Object:
    """The account's balance, whose amounts are not simulated."""
    return {"object": "balance", "available": [], "livemode": False, "pending": []}


def charge(charge_id: str, intent: Object, *, created: int, invoice: str | None) -> Object:
    """The charge of a payment that succeeded."""
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "balance_transaction": charge_id.replace("ch_", "txn_"),
        "captured": True,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "disputed": False,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": True,
        "payment_intent": intent["id"],
        "refunded": False,
        "status": "succeeded",
        "_invoice": invoice,
        "_refunds": [],
    }


def refund(
    refund_id: str, of: Object, *, created: int, amount: int, status: str, metadata: Mapping[str, str]
) -> Object:
    """A refund of a charge."""
    return {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": refund_id.replace("re_", "txn_") if status == "succeeded" else None,
        "charge": of["id"],
        "created": created,
        "currency": of["currency"],
        "metadata": dict(metadata),
        "payment_intent": of["payment_intent"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def dispute(
    dispute_id: str, of: Object, *, created: int, amount: int, status: str, reason: str = "fraudulent"
) -> Object:
    """A dispute of a charge; its money moves are added as they happen."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": created,
        "currency": of["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": created + 7 * 86400,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status.startswith("warning_"),
        "livemode": False,
        "metadata": {},
        "payment_intent": of["payment_intent"],
        "reason": reason,
        "status": status,
    }


def money_move(move_id: str, dispute_id: str, amount: int, currency: str, created: int) -> Object:
    """Money that a dispute takes away, or brings back."""
    return {
        "id": move_id,
        "object": "balance_transaction",
        "amount": amount,
        "created": created,
        "currency": currency,
        "source": dispute_id,
        "type": "adjustment",
    }


def invoice(invoice_id: str, *, created: int, reason: str, lines: list[Object], **told: Any) -> Object:
    """A paid invoice; its lines' amounts make its total."""
    total = sum(line["amount"] for line in lines)
    return {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": max(total, 0),
        "amount_paid": max(total, 0),
        "amount_remaining": 0,
        "attempt_count": 1,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "customer": None,
        "customer_email": None,
        "hosted_invoice_url": None,
        "livemode": False,
        "metadata": {},
        "number": f"SIM-{invoice_id[-6:]}",
        "period_end": created,
        "period_start": created,
        "starting_balance": 0,
        "status": "paid",
        "subtotal": total,
        "total": total,
        "_charge": None,
        "_lines": lines,
        "_payment_intent": None,
        "_subscription": None,
        "_subscription_metadata": {},
        **told,
    }


def line(
    line_id: str, amount: int, *, start: int, end: int, is_proration: bool = False, subscription: str | None
) -> Object:
    """A line of an invoice: of a subscription's period where one is named."""
    return {
        "id": line_id,
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "description": None,
        "metadata": {},
        "period": {"start": start, "end": end},
        "quantity": 1,
        "_proration": is_proration,
        "_subscription": subscription,
    }


def invoice_payment(payment_id: str, paid: Object, *, created: int) -> Object:
    """Which payment paid an invoice."""
    return {
        "id": payment_id,
        "object": "invoice_payment",
        "amount_paid": paid["amount_paid"],
        "amount_requested": paid["amount_due"],
        "created": created,
        "currency": paid["currency"],
        "invoice": paid["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": paid["_payment_intent"], "type": "payment_intent"},
        "status": "paid",
    }


def lines_of(kept: Object, version: str) -> list[Object]:
    """All lines of an invoice, of which it shows the first few itself."""
    return [_line_of(one, kept, version[:10]) for one in kept["_lines"]]


def _invoice_of(kept: Object, date: str) -> Object:
    lines = lines_of(kept, date)
    first = listed(lines[:LINES_SHOWN], f"/v1/invoices/{kept['id']}/lines", has_more=len(lines) > LINES_SHOWN)
    told: Object = {"lines": first | {"total_count": len(lines)}}
    subscription, metadata = kept["_subscription"], kept["_subscription_metadata"]
    if date >= INVOICES_LEAVE_PAYMENTS:
        details = {"metadata": metadata, "subscription": subscription}
        parent = {"quote_details": None, "subscription_details": details, "type": "subscription_details"}
        return told | {"parent": parent if subscription else None}
    details = {"metadata": metadata if subscription else None}
    return told | {
        "charge": kept["_charge"],
        "paid": kept["status"] == "paid",
        "payment_intent": kept["_payment_intent"],
        "subscription": subscription,
        "subscription_details": details,
    }


def _line_of(kept: Object, of: Object, date: str) -> Object:
    told = {name: value for name, value in kept.items() if not name.startswith("_")}
    subscription, is_proration = kept["_subscription"], kept["_proration"]
    told["metadata"] = dict(of["_subscription_metadata"]) if subscription else {}
    if date < INVOICES_LEAVE_PAYMENTS:
        kind = "invoiceitem" if is_proration or not subscription else "subscription"
        return told | {"proration": is_proration, "subscription": subscription, "type": kind}
    if not subscription:
        return told | {"parent": None}
    details = {"invoice_item": None, "proration": is_proration, "subscription": subscription}
    kind = "invoice_item_details" if is_proration else "subscription_item_details"
    other = "subscription_item_details" if is_proration else "invoice_item_details"
    return told | {"parent": {kind: details, other: None, "type": kind}}


def _subscription_of(kept: Object, date: str) -> Object:
    start, end = kept["_period"]
    item = {"id": kept["id"].replace("sub_", "si_"), "object": "subscription_item", "quantity": 1}
    if date >= INVOICES_LEAVE_PAYMENTS:
        return {
            "items": listed(
                [item | {"current_period_start": start, "current_period_end": end}], "/v1/subscription_items"
            )
        }
    return {"current_period_start": start, "current_period_end": end, "items": listed([item], "/v1/subscription_items")}
