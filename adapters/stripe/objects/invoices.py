"""A paid Stripe invoice, in any API version since 2017: a period of a subscription, or the paper of a one-time sale."""

from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.lines import is_subscription_line, read_lines
from adapters.stripe.objects.payments import links_to, payment_of
from adapters.stripe.objects.prices import line_details
from domain.payments.purchases import Link, OrderRank, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import (
    Attribution,
    InvoiceLine,
    Irrelevant,
    PaymentReport,
    ProviderReport,
    SaleItem,
    SaleReport,
)
from domain.payments.subscriptions import SubscriptionId
from domain.values.money import MAX_AMOUNT, Money
from domain.values.plans import PlanMode

INVOICE_EVENTS = frozenset({"invoice.paid", "invoice.payment_succeeded", "invoice.finalized", "invoice.overpaid"})
"""Events whose object is an invoice; one that is finalized concerns us only where nothing is left to be paid."""

_PAYING = frozenset({"invoice.paid", "invoice.payment_succeeded"})

_PERIODS = frozenset({"subscription", "subscription_create", "subscription_cycle", "subscription_update"})
"""The reasons of invoices that may be for a period; `subscription` is older than the others."""

_PERIODS_IF_SUBSCRIBED = frozenset({None, "quote_accept"})
"""Reasons of those that are for a period where there is a subscription: a quote may be for either."""


def read_invoice(
    invoice: Object, occurred_at: datetime | None = None, *, event_type: str | None = None, claimed: bool = False
) -> ProviderReport:
    """Return the report of an `invoice` object; `claimed` is for one that an operator declares to be ours.

    `occurred_at` is when the event was created; invoices from before 2018 do not say when they were paid.

    :raises UnreadableField: if its structure is unknown.
    """
    reported_at = occurred_at if event_type in _PAYING else None
    if not is_paid(invoice):
        return Irrelevant("the invoice is not paid")
    reason, subscription_id = fields.text(invoice, "billing_reason"), _subscription(invoice)
    if reason in _PERIODS and subscription_id is None:
        raise UnreadableField("subscription is missing")
    # A subscription that is cancelled at once may leave an invoice of its unused time that was made by hand.
    if subscription_id is not None and (reason in _PERIODS or reason in _PERIODS_IF_SUBSCRIBED or _has_items(invoice)):
        return _period(invoice, SubscriptionId(subscription_id), reported_at)
    metadata = fields.metadata(invoice)
    if subscription_id is None and (claimed or (fields.is_ours(metadata) and not fields.is_of_session(metadata))):
        return _by_hand(invoice, reported_at)
    links, payments = _links(invoice), _payments(invoice)
    if len(links) == 1:
        return Irrelevant("the invoice names no payment")
    ours = fields.is_ours(metadata) or None
    known = payments[0].get("payment_intent") or payments[0].get("charge") or fields.own_id(invoice)
    return PaymentReport(purchase_id=PurchaseId(known), links=links, ours=ours)


def is_paid(invoice: Object) -> bool:
    """Return whether an invoice is paid, or was finalized with nothing to pay."""
    if invoice.get("status") == "paid" or invoice.get("paid") is True:
        return True
    # A total of nothing or less is settled as it is finalized: what is below zero goes to the customer's balance.
    return invoice.get("status") == "open" and fields.amount(invoice, "total", signed=True) <= 0


def _period(invoice: Object, subscription_id: SubscriptionId, reported_at: datetime | None) -> ProviderReport:
    code = fields.currency(invoice)
    lines = read_lines(invoice)
    is_complete = bool(lines) and fields.expanded(invoice, "lines").get("has_more") is not True
    asked = sum(line.amount for line in lines if line.amount > 0)
    if asked > MAX_AMOUNT:
        raise UnreadableField("the sum of the lines is not a valid amount")
    return SaleReport(
        purchase_id=PurchaseId(fields.own_id(invoice)),
        links=_links(invoice),
        mode=PlanMode.SUBSCRIPTION,
        facts=_payment_facts(invoice, reported_at),
        subtotal=Money(amount=asked, currency=code),
        paid=Money(amount=max(sum(line.gross for line in lines if line.amount > 0), 0), currency=code),
        attribution=_attribution(invoice, list(fields.items(invoice, "lines"))),
        subscription_id=subscription_id,
        is_complete=is_complete,
        lines=lines,
        issued_at=fields.moment(invoice.get("created")),
    )


def _by_hand(invoice: Object, reported_at: datetime | None) -> ProviderReport:
    """Return the report of an invoice without a subscription, made by a person or another program: a sale of packs."""
    paid = fields.amount(invoice, "total", signed=True)
    if paid < 0:
        return Irrelevant("the invoice has a negative total")
    # New API versions show what paid an invoice only where they are asked; a session may have ordered the same.
    shows_payments = paid == 0 or any(key in invoice for key in ("payment_intent", "charge", "payments"))
    return SaleReport(
        purchase_id=PurchaseId(fields.own_id(invoice)),
        links=_links(invoice),
        mode=PlanMode.PAYMENT,
        facts=_payment_facts(invoice, reported_at),
        subtotal=fields.money(invoice, "subtotal"),
        paid=Money(amount=paid, currency=fields.currency(invoice)),
        attribution=fields.attribution(fields.metadata(invoice)),
        sold_at=fields.moment(invoice.get("created")),
        is_complete=shows_payments and not fields.has_more(invoice, "lines"),
        issued_at=fields.moment(invoice.get("created")),
        rank=OrderRank.INVOICE,
        items=tuple(_sold_item(line, fields.currency(invoice)) for line in read_lines(invoice)),
    )


def _sold_item(line: InvoiceLine, currency: str) -> SaleItem:
    return SaleItem(id=line.id, price=line.price, quantity=line.quantity, amount=line.amount, currency=currency)


def _payment_facts(invoice: Object, reported_at: datetime | None) -> Purchase:
    return Purchase(
        payment=PaymentStatus.PAID,
        never_paid=fields.amount_or_zero(invoice, "pre_payment_credit_notes_amount"),
        overpaid=fields.amount_or_zero(invoice, "amount_overpaid"),
        paid_at=fields.moment(fields.expanded(invoice, "status_transitions").get("paid_at")) or reported_at,
    )


def _subscription(invoice: Object) -> str | None:
    details = fields.expanded(fields.expanded(invoice, "parent"), "subscription_details")
    own = fields.reference(details, "subscription") or fields.reference(invoice, "subscription")
    if own is not None:
        return own
    of_lines = {fields.reference(line_details(line) or line, "subscription") for line in fields.items(invoice, "lines")}
    named = of_lines - {None}
    return named.pop() if len(named) == 1 else None


def _has_items(invoice: Object) -> bool:
    return any(is_subscription_line(line) for line in fields.items(invoice, "lines"))


def _links(invoice: Object) -> frozenset[Link]:
    return links_to({"invoice": fields.own_id(invoice)}).union(*map(links_to, _payments(invoice)))


def _payments(invoice: Object) -> list[dict[str, str | None]]:
    """Return what paid the invoice: by its own fields in old versions, in new ones by its list, where that is shown."""
    own = {kind: fields.reference(invoice, kind) for kind in ("payment_intent", "charge")}
    paid = [one for one in fields.items(invoice, "payments") if one.get("status") in (None, "paid")]
    found = [own, *map(payment_of, paid)]
    return [one for one in found if any(one.values())] or [own]


def _attribution(invoice: Object, lines: list[Object]) -> Attribution:
    report = (
        fields.metadata(fields.expanded(fields.expanded(invoice, "parent"), "subscription_details")),
        fields.metadata(fields.expanded(invoice, "subscription_details")),
        *(fields.metadata(line) for line in lines),
        fields.metadata(fields.expanded(invoice, "subscription")),
        fields.metadata(invoice),
    )
    ours = next((one for one in report if fields.is_ours(one)), None)
    return fields.attribution(ours) if ours is not None else Attribution()
