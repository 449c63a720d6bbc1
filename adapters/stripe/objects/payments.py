"""Translates Stripe's charges, refunds, disputes and invoice payments, in any API version since 2017."""

from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.purchases import ChargeRefunds, Link, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import Irrelevant, PaymentReport, ProviderReport

REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
CHARGE_EVENTS = frozenset({"charge.refunded"})
DISPUTE_EVENTS = frozenset(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
INVOICE_PAYMENT_EVENTS = frozenset({"invoice_payment.paid"})

_REFUND_STATUS = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELED,
}
_DISPUTE_STATUS = {status.value: status for status in DisputeStatus}
_OPEN_DISPUTE = frozenset({DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW})
_OURS_ALONE = frozenset({DisputeStatus.WITHDRAWN, DisputeStatus.REINSTATED, DisputeStatus.UNKNOWN})
"""Statuses that Stripe does not name."""
_KINDS = ("payment_intent", "charge", "invoice")


def read_refund(refund: Object, *, event_type: str | None = None) -> ProviderReport:
    """Return the report of a `refund` object.

    :raises UnreadableField: if its structure is unknown.
    """
    known = _refund(refund, failed=event_type == "refund.failed")
    if all(key in refund and refund[key] is None for key in ("charge", "payment_intent")):
        return Irrelevant("a refund to the customer's balance, not of a payment")
    facts = Purchase(refunds=(known,), currencies=frozenset({fields.currency(refund)}))
    return _news(_related(refund), facts, _ours(refund))


def read_charge(charge: Object) -> ProviderReport:
    """Return the report of a refunded `charge` object: its refunds if it lists them, otherwise their total.

    :raises UnreadableField: if its structure is unknown.
    """
    charge_id = fields.own_id(charge)
    refunds = tuple(_refund(refund, of_charge=charge_id) for refund in fields.items(charge, "refunds"))
    totals: tuple[ChargeRefunds, ...] = ()
    if not refunds or fields.has_more(charge, "refunds"):
        totals = (ChargeRefunds(charge=charge_id, amount=fields.amount(charge, "amount_refunded")),)
    facts = Purchase(
        refunds=refunds,
        refunded_totals=totals,
        uncaptured_refunds=_released(charge),
        currencies=frozenset({fields.currency(charge)}),
    )
    related = {
        "payment_intent": fields.reference(charge, "payment_intent"),
        "charge": charge_id,
        "invoice": fields.reference(charge, "invoice"),
    }
    return _news(related, facts, _says_ours(charge))


def read_dispute(dispute: Object, occurred_at: datetime | None, *, event_type: str | None = None) -> ProviderReport:
    """Return the report of a `dispute` object; `occurred_at` is when the event was created or the object fetched.

    :raises UnreadableField: if its structure is unknown.
    """
    occurred_at = fields.reported_at(occurred_at)
    code, movements = fields.currency(dispute), _movements(dispute)
    known = Dispute(
        id=fields.own_id(dispute),
        occurred_at=occurred_at,
        amount=fields.amount(dispute, "amount"),
        status=_dispute_status(dispute, event_type, code, movements),
        currency=code,
        movements=movements,
    )
    return _news(_related(dispute), Purchase(disputes=(known,), currencies=frozenset({code})), _ours(dispute))


def read_invoice_payment(payment: Object) -> ProviderReport:
    """Return the report of an `invoice_payment` object: which payment paid which invoice.

    :raises UnreadableField: if its structure is unknown.
    """
    invoice_id = fields.reference(payment, "invoice")
    if invoice_id is None:
        raise UnreadableField("invoice is missing")
    related = {"invoice": invoice_id, **payment_of(payment)}
    if len(links_to(related)) == 1:
        return Irrelevant("the invoice was paid outside of Stripe")
    return PaymentReport(purchase_id=PurchaseId(invoice_id), links=links_to(related))


def payment_of(invoice_payment: Object) -> dict[str, str | None]:
    """Return the payment intent or charge of an `invoice_payment`."""
    payment = fields.expanded(invoice_payment, "payment")
    return {kind: fields.reference(payment, kind) for kind in ("payment_intent", "charge")}


def links_to(related: dict[str, str | None]) -> frozenset[Link]:
    """Return links to the objects that are named."""
    return frozenset(Link(f"{kind}:{id_}") for kind, id_ in related.items() if id_)


def _news(related: dict[str, str | None], facts: Purchase, ours: bool | None) -> ProviderReport:
    known = [id_ for kind in _KINDS if (id_ := related.get(kind))]
    if not known:
        raise UnreadableField("neither a charge nor a payment intent is named")
    return PaymentReport(purchase_id=PurchaseId(known[0]), links=links_to(related), facts=facts, ours=ours)


def _related(holder: Object) -> dict[str, str | None]:
    charge = fields.expanded(holder, "charge")
    return {
        "payment_intent": fields.reference(holder, "payment_intent") or fields.reference(charge, "payment_intent"),
        "charge": fields.reference(holder, "charge"),
        "invoice": fields.reference(charge, "invoice"),
    }


def _ours(holder: Object) -> bool | None:
    related = (fields.expanded(holder, "charge"), fields.expanded(holder, "payment_intent"))
    return True if any(_says_ours(one) for one in related) else None


def _says_ours(holder: Object) -> bool | None:
    # That there is none proves nothing: a session made elsewhere keeps its metadata to itself.
    return fields.is_ours(fields.metadata(holder)) or None


def _released(charge: Object) -> int:
    """Return how much of a charge's refunds only releases what was authorized and not captured.

    API versions before 2025-03-31 make a refund of it; those show the charge's invoice, later ones do not.
    """
    captured = charge.get("amount_captured")
    if captured is None or charge.get("captured") is not True or "invoice" not in charge:
        return 0
    return max(fields.amount(charge, "amount") - fields.amount(charge, "amount_captured"), 0)


def _refund(refund: Object, *, failed: bool = False, of_charge: str | None = None) -> Refund:
    if failed:
        known: RefundStatus | None = RefundStatus.FAILED
    else:
        # Refunds had no status before 2018, and were made at once.
        known = _REFUND_STATUS.get(fields.text(refund, "status") or "succeeded")
    if known is None:
        raise UnreadableField("the refund's status is unknown")
    charge = of_charge or fields.reference(refund, "charge")
    return Refund(id=fields.own_id(refund), amount=fields.amount(refund, "amount"), status=known, charge=charge)


def _dispute_status(
    dispute: Object, event_type: str | None, code: str, movements: tuple[Movement, ...]
) -> DisputeStatus:
    report = dispute.get("status")
    status = _DISPUTE_STATUS.get(report) if isinstance(report, str) else None
    if status is None or status in _OURS_ALONE:
        if not movements or not isinstance(report, str):
            raise UnreadableField("the dispute's status is unknown")
        return DisputeStatus.UNKNOWN
    if status is DisputeStatus.WON and movements and code not in {move.currency for move in movements}:
        return status  # movements in another currency tell a part alone, and what is won is whole
    if event_type == "charge.dispute.funds_reinstated" and (status is not DisputeStatus.LOST or _came_back(movements)):
        return DisputeStatus.REINSTATED
    if status in _OPEN_DISPUTE:
        if _came_back(movements):
            return DisputeStatus.REINSTATED
        if event_type == "charge.dispute.funds_withdrawn":
            return DisputeStatus.WITHDRAWN
    return status


def _movements(dispute: Object) -> tuple[Movement, ...]:
    moved = {
        (id_ := fields.own_id(move)): Movement(
            id=id_, amount=fields.amount(move, "amount", signed=True), currency=fields.currency(move)
        )
        for move in fields.items(dispute, "balance_transactions")
    }
    return tuple(moved[id_] for id_ in sorted(moved))


def _came_back(movements: tuple[Movement, ...]) -> bool:
    moved = [move.amount for move in movements]
    return any(move < 0 for move in moved) and sum(moved) >= 0
