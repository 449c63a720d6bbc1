"""A preview of a Stripe invoice, translated into what it would charge and the report that it would make once paid."""

from collections.abc import Mapping
from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.invoices import read_invoice
from adapters.stripe.objects.prices import is_proration
from domain.payments.reports import SaleReport
from domain.payments.subscription_changes import BilledLine, InvoicePreview


def read_preview(invoice: Object, *, is_at_once: bool) -> InvoicePreview:
    """Return the preview in an `invoice` object that nobody has been billed yet.

    With `is_at_once`, the next period's lines are left out where the invoice of the change is shown with them.

    :raises UnreadableField: if its structure is unknown.
    """
    lines = list(fields.items(invoice, "lines"))
    kept = _lines_at_once(lines) if is_at_once else lines
    total = fields.amount(invoice, "total", signed=True)
    balance, due = _signed(invoice, "starting_balance"), fields.amount(invoice, "amount_due")
    if len(kept) < len(lines):
        invoice = {**invoice, "lines": {"data": kept}}
    report = _report(invoice)
    if len(kept) < len(lines):
        total = sum(line.gross for line in report.lines or ())
        due = max(total + balance, 0)
    return InvoicePreview(
        report=report,
        currency=fields.currency(invoice),
        total=total,
        tax=sum(line.gross - line.net for line in report.lines or ()),
        amount_due=due,
        starting_balance=balance,
        billed_at=_moment(invoice, "created"),
        prorated_at=_prorated_at(invoice, kept),
        lines=tuple(map(_billed, kept)),
    )


def _report(invoice: Object) -> SaleReport:
    """Return the report of the invoice as if it was paid when it is made."""
    paid = {"paid_at": invoice.get("created")}
    made = {**invoice, "status": "paid", "billing_reason": "subscription_update", "status_transitions": paid}
    report = read_invoice(made)
    if not isinstance(report, SaleReport) or report.lines is None:
        raise UnreadableField("the preview is not one of a subscription's invoice")
    return report


def _lines_at_once(lines: list[Object]) -> list[Object]:
    """Return the lines of a change's own invoice: prorations, and of other lines those that begin no later.

    Without prorations, or where nothing else is shown, these are all lines.
    """
    prorated = [line for line in lines if is_proration(line)]
    if not prorated:
        return lines
    latest = max(_start(line) for line in prorated)
    # A period that begins with the change begins within moments; the next one does not.
    ends = min(_period(line, "end") for line in prorated)
    return [line for line in lines if is_proration(line) or _start(line) < max(ends, latest + 1)]


def _start(line: Object) -> int:
    return _period(line, "start")


def _period(line: Object, key: str) -> int:
    found = fields.expanded(line, "period").get(key)
    if not isinstance(found, int) or isinstance(found, bool):
        raise UnreadableField("a line's period is missing or not a time")
    return found


def _billed(line: Object) -> BilledLine:
    period = fields.expanded(line, "period")
    return BilledLine(
        description=fields.text(line, "description"),
        amount=fields.amount(line, "amount", signed=True),
        starts_at=_moment(period, "start"),
        ends_at=_moment(period, "end"),
    )


def _prorated_at(invoice: Object, lines: list[Object]) -> datetime | None:
    details = fields.expanded(fields.expanded(invoice, "parent"), "subscription_details")
    named = fields.moment(details.get("subscription_proration_date"))
    if named is not None:
        return named
    starts = [fields.moment(fields.expanded(line, "period").get("start")) for line in lines if is_proration(line)]
    return max((start for start in starts if start is not None), default=None)


def _moment(holder: Mapping[str, object], key: str) -> datetime:
    found = fields.moment(holder.get(key))
    if found is None:
        raise UnreadableField(f"{key} is missing or not a time")
    return found


def _signed(invoice: Object, key: str) -> int:
    return fields.amount(invoice, key, signed=True) if invoice.get(key) is not None else 0
