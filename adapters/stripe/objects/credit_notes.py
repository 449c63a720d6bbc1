"""Translates Stripe's credit notes, in any API version that has them."""

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.payments import links_to
from domain.payments.invoices import CreditNote, CreditNoteStatus, NotedLine, NotedRefund
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.reports import PaymentReport, ProviderReport

CREDIT_NOTE_EVENTS = frozenset(f"credit_note.{what}" for what in ("created", "updated", "voided"))

_STATUS = {status.value: status for status in CreditNoteStatus}


def read_credit_note(note: Object, *, event_type: str | None = None) -> ProviderReport:
    """Return the report of a `credit_note` object about its invoice.

    :raises UnreadableField: if its structure is unknown.
    """
    invoice_id = fields.reference(note, "invoice")
    if invoice_id is None:
        raise UnreadableField("invoice is missing")
    status = _STATUS.get(fields.text(note, "status") or "issued")
    if event_type == "credit_note.voided":
        status = CreditNoteStatus.VOID
    if status is None:
        raise UnreadableField("the credit note's status is unknown")
    pre_payment, post_payment = _amounts(note)
    noted = CreditNote(
        id=fields.own_id(note),
        status=status,
        pre_payment=pre_payment,
        post_payment=post_payment,
        refunds=_refunds(note, post_payment),
        lines=_lines(note),
    )
    facts = Purchase(credit_notes=(noted,), currencies=frozenset({fields.currency(note)}))
    return PaymentReport(purchase_id=PurchaseId(invoice_id), links=links_to({"invoice": invoice_id}), facts=facts)


def _amounts(note: Object) -> tuple[int, int]:
    """Return the amounts before and after the payment, in minor units."""
    if note.get("pre_payment_amount") is not None or note.get("post_payment_amount") is not None:
        return fields.amount_or_zero(note, "pre_payment_amount"), fields.amount_or_zero(note, "post_payment_amount")
    # Before 2025-05-28 a note is of one kind.
    amount = fields.amount(note, "amount")
    return (amount, 0) if note.get("type") == "pre_payment" else (0, amount)


def _refunds(note: Object, post_payment: int) -> tuple[NotedRefund, ...]:
    listed = [
        NotedRefund(refund_id=id_, amount=fields.amount(one, "amount_refunded"))
        for one in fields.items(note, "refunds")
        if (id_ := fields.reference(one, "refund")) is not None
    ]
    if not listed and (only := fields.reference(note, "refund")) is not None:
        rest = post_payment - fields.amount_or_zero(note, "out_of_band_amount")
        listed = [NotedRefund(refund_id=only, amount=max(rest, 0))]
    return tuple(sorted(listed))


def _lines(note: Object) -> tuple[NotedLine, ...]:
    # A note of more lines than it shows is measured as a whole: the lines that it does not show may be of any.
    if fields.has_more(note, "lines"):
        return ()
    return tuple(sorted(map(_line, fields.items(note, "lines")), key=lambda line: line.id))


def _line(line: Object) -> NotedLine:
    return NotedLine(
        id=fields.own_id(line),
        line_id=fields.reference(line, "invoice_line_item"),
        amount=fields.amount(line, "amount", signed=True),
    )
