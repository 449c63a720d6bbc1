"""Stripe's refunds, credit notes and disputes as payloads, of the payment of an invoice."""

from features.billing.payloads import Payload


def refund(id_: str, amount: int, of_invoice: str, *, status: str = "succeeded") -> Payload:
    """Return a refund of the payment of an invoice."""
    return {
        "id": id_,
        "object": "refund",
        "amount": amount,
        "currency": "usd",
        "status": status,
        "payment_intent": f"pi_{of_invoice}",
        "charge": f"ch_{of_invoice}",
    }


def credit_note(
    id_: str,
    of_invoice: str,
    *,
    before: int = 0,
    after: int = 0,
    refunds: dict[str, int] | None = None,
    lines: dict[str, int] | None = None,
    status: str = "issued",
) -> Payload:
    """Return a credit note: what it took off before the payment and gave back after it, and by which refunds."""
    return {
        "id": id_,
        "object": "credit_note",
        "invoice": of_invoice,
        "status": status,
        "currency": "usd",
        "amount": before + after,
        "pre_payment_amount": before,
        "post_payment_amount": after,
        "out_of_band_amount": None,
        "refunds": [
            {"refund": refund_id, "amount_refunded": amount, "type": "refund"}
            for refund_id, amount in (refunds or {}).items()
        ],
        "lines": {
            "object": "list",
            "data": [
                {
                    "id": f"cnli_{id_}_{place}",
                    "amount": amount,
                    "type": "custom_line_item" if line_id.startswith("custom") else "invoice_line_item",
                    "invoice_line_item": None if line_id.startswith("custom") else line_id,
                }
                for place, (line_id, amount) in enumerate((lines or {}).items())
            ],
            "has_more": False,
        },
    }


def dispute(
    id_: str,
    amount: int,
    of_invoice: str,
    *,
    status: str = "needs_response",
    moves: dict[str, tuple[int, str]] | None = None,
) -> Payload:
    """Return a dispute of the payment of an invoice, with the movements of its money by id."""
    return {
        "id": id_,
        "object": "dispute",
        "amount": amount,
        "currency": "usd",
        "status": status,
        "payment_intent": f"pi_{of_invoice}",
        "charge": f"ch_{of_invoice}",
        "balance_transactions": [
            {"id": move, "amount": moved, "currency": code} for move, (moved, code) in (moves or {}).items()
        ],
    }
