"""Stripe's objects of a payment's later life, kept in one shape and shown in that of an API version.

What is kept has keys that begin with an underscore: they are shown only where the version has such a field.
"""

from collections.abc import Mapping

from simulators.stripe.account.credit_note_shapes import credit_note_of
from simulators.stripe.account.invoice_shapes import INVOICES_LEAVE_PAYMENTS, invoice_of
from simulators.stripe.account.subscription_shapes import subscription_of
from simulators.stripe.objects import Object, listed

REFUNDS_LEAVE_CHARGES = "2022-11-15"


def shown(kept: Object, version: str) -> Object:
    """The object as a version of the API shows it."""
    if kept.get("deleted"):
        return dict(kept)
    date = version[:10]
    fields = {name: value for name, value in kept.items() if not name.startswith("_")}
    match kept["object"]:
        case "charge" | "payment_intent" if date < INVOICES_LEAVE_PAYMENTS:
            fields["invoice"] = kept.get("_invoice")
        case "credit_note":
            fields |= credit_note_of(kept, date)
        case "invoice":
            fields |= invoice_of(kept, date)
        case "subscription":
            fields |= subscription_of(kept, date)
    if kept["object"] == "charge" and date < REFUNDS_LEAVE_CHARGES:
        fields["refunds"] = listed(
            [shown(refund, version) for refund in kept["_refunds"]], f"/v1/charges/{kept['id']}/refunds"
        )
    return fields


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
        "_away": 0,
        "_settled": (amount, of["currency"]),
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
