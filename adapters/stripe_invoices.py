"""A paid Stripe invoice, in any API version since 2017: a period of a subscription, or the paper of a one-time sale."""

from datetime import datetime

from adapters import stripe_fields as fields
from adapters.stripe_fields import Object, UnreadableField
from adapters.stripe_payments import links_to, payment_of
from domain.events import Irrelevant, Naming, PaymentNews, Sale, Told
from domain.money import MAX_AMOUNT, Money
from domain.plans import PlanMode
from domain.purchases import Link, PaymentReported, PaymentStatus, PurchaseId
from domain.subscriptions import SubscriptionId

INVOICE_EVENTS = frozenset({"invoice.paid", "invoice.payment_succeeded"})

_PERIODS = frozenset({"subscription", "subscription_create", "subscription_cycle", "subscription_update"})
"""The reasons of invoices that may be for a period; `subscription` is older than the others."""

_PERIODS_IF_SUBSCRIBED = frozenset({None, "quote_accept"})
"""Reasons of those that are for a period where there is a subscription: a quote may be for either."""


def told_by_invoice(invoice: Object) -> Told:
    """What an `invoice` object tells.

    :raises UnreadableField: if it is in a shape that can't be read.
    """
    if invoice.get("status") != "paid" and invoice.get("paid") is not True:
        return Irrelevant("the invoice is not paid")
    reason, subscription_id = fields.text(invoice, "billing_reason"), _subscription(invoice)
    if reason in _PERIODS or (reason in _PERIODS_IF_SUBSCRIBED and subscription_id is not None):
        if subscription_id is None:
            raise UnreadableField("subscription is missing")
        return _period(invoice, SubscriptionId(subscription_id))
    links, payments = _links(invoice), _payments(invoice)
    if len(links) == 1:
        return Irrelevant("the invoice names no payment")
    ours = fields.is_ours(fields.metadata(invoice)) or None
    known = payments[0].get("payment_intent") or payments[0].get("charge") or fields.own_id(invoice)
    return PaymentNews(purchase_id=PurchaseId(known), links=links, ours=ours)


def _period(invoice: Object, subscription_id: SubscriptionId) -> Told:
    total = fields.amount(invoice, "total", signed=True)
    if total <= 0:
        return Irrelevant("a zero invoice grants nothing")
    lines = [line for line in fields.items(invoice, "lines") if _is_period(line)]
    code = fields.currency(invoice)
    asked = sum(fields.amount(line, "amount", signed=True) for line in lines)
    is_whole = fields.expanded(invoice, "lines").get("has_more") is not True
    if asked <= 0 and is_whole:
        return Irrelevant("prorations and trials grant nothing")
    if asked > MAX_AMOUNT:
        raise UnreadableField("lines come to no amount of money")
    # Nothing is paid by card where the customer's balance, or money outside of Stripe, covers it.
    paid = invoice.get("amount_paid")
    return Sale(
        purchase_id=PurchaseId(fields.own_id(invoice)),
        links=_links(invoice),
        mode=PlanMode.SUBSCRIPTION,
        facts=(PaymentReported(PaymentStatus.PAID),),
        subtotal=Money(amount=max(asked, 0), currency=code),
        paid=Money(amount=fields.amount(invoice, "amount_paid") if paid else total, currency=code),
        naming=_naming(invoice, lines),
        subscription_id=subscription_id,
        period_ends_at=max((end for line in lines if _is_paid(line) and (end := _end(line)) is not None), default=None),
        is_whole=is_whole,
    )


def _subscription(invoice: Object) -> str | None:
    details = fields.expanded(fields.expanded(invoice, "parent"), "subscription_details")
    return fields.reference(details, "subscription") or fields.reference(invoice, "subscription")


def _links(invoice: Object) -> frozenset[Link]:
    return links_to({"invoice": fields.own_id(invoice)}).union(*map(links_to, _payments(invoice)))


def _payments(invoice: Object) -> list[dict[str, str | None]]:
    """What paid the invoice: by its own fields in old versions, in new ones by its list, where that is shown."""
    own = {kind: fields.reference(invoice, kind) for kind in ("payment_intent", "charge")}
    paid = [one for one in fields.items(invoice, "payments") if one.get("status") in (None, "paid")]
    found = [own, *map(payment_of, paid)]
    return [one for one in found if any(one.values())] or [own]


def _is_period(line: Object) -> bool:
    parent = fields.expanded(line, "parent")
    if parent:
        item = fields.expanded(parent, "subscription_item_details")
        return parent.get("type") == "subscription_item_details" and item.get("proration") is not True
    return line.get("type") == "subscription" and line.get("proration") is not True


def _is_paid(line: Object) -> bool:
    """Whether the line costs something: what is free beside it, for a year, say, makes no credits last longer."""
    return fields.amount(line, "amount", signed=True) > 0


def _end(line: Object) -> datetime | None:
    return fields.moment(fields.expanded(line, "period").get("end"))


def _naming(invoice: Object, lines: list[Object]) -> Naming:
    told = (
        fields.metadata(fields.expanded(fields.expanded(invoice, "parent"), "subscription_details")),
        fields.metadata(fields.expanded(invoice, "subscription_details")),
        *(fields.metadata(line) for line in lines),
        fields.metadata(fields.expanded(invoice, "subscription")),
        fields.metadata(invoice),
    )
    ours = next((one for one in told if fields.is_ours(one)), None)
    return fields.naming(ours) if ours is not None else Naming()
