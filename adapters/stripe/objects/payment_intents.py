"""A Stripe payment intent that succeeded, in any API version since 2019: what it paid, or a sale of its own."""

from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object
from adapters.stripe.objects.payments import links_to
from domain.payments.purchases import Link, OrderRank, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Irrelevant, PaymentReport, ProviderReport, SaleReport
from domain.values.plans import PlanMode

INTENT_EVENTS = frozenset({"payment_intent.succeeded"})

CHARGE_KEY = "credence_charge"
"""The id of our charge of a saved card: such a payment has neither session nor invoice."""


def read_payment_intent(
    intent: Object, occurred_at: datetime | None, *, event_type: str | None = None, claimed: bool = False
) -> ProviderReport:
    """Return the report of a `payment_intent` object; `event_type` is None for one that was fetched.

    One with our metadata is treated as a sale until a look-up shows what it pays: it never shows a session, nor, in new
    API versions, an invoice. `claimed` is for one that an operator declares to be ours.

    :raises UnreadableField: if its structure is unknown.
    """
    if intent.get("status") != "succeeded":
        return Irrelevant("the payment has not succeeded")
    metadata = fields.metadata(intent)
    pays_session = fields.is_of_session(metadata)
    if not (claimed or pays_session or fields.is_ours(metadata)):
        return Irrelevant("no metadata from Credence")
    news = PaymentReport(
        purchase_id=PurchaseId(fields.own_id(intent)),
        links=links_to(
            {
                "payment_intent": fields.own_id(intent),
                "charge": _charge(intent),
                "invoice": fields.reference(intent, "invoice"),
            }
        ),
        facts=_facts(intent, occurred_at if event_type is not None else None),
        ours=True,
    )
    if pays_session and not claimed:
        return news
    price = fields.money(intent, "amount")
    return SaleReport(
        purchase_id=news.purchase_id,
        links=news.links,
        mode=PlanMode.PAYMENT,
        facts=news.facts,
        subtotal=price,
        paid=price,
        attribution=fields.attribution(metadata),
        sold_at=fields.moment(intent.get("created")),
        is_complete=CHARGE_KEY in metadata,
        rank=OrderRank.INTENT,
    )


def only_pays(sale: SaleReport, links: frozenset[Link]) -> PaymentReport:
    """Return the payment report of a payment that was reported as a sale but pays a session's or an invoice's order."""
    return PaymentReport(purchase_id=sale.purchase_id, links=sale.links | links, facts=sale.facts, ours=True)


def _charge(intent: Object) -> str | None:
    latest = fields.reference(intent, "latest_charge")
    if latest is not None:
        return latest
    # Before 2022-11-15 all charges were listed, newest first.
    charges = [one for one in fields.items(intent, "charges") if one.get("paid") is not False]
    return fields.own_id(charges[0]) if charges else None


def _facts(intent: Object, occurred_at: datetime | None) -> Purchase:
    uncaptured = max(fields.amount(intent, "amount") - fields.amount(intent, "amount_received"), 0)
    return Purchase(
        payment=PaymentStatus.PAID,
        paid_at=fields.moment(fields.expanded(intent, "latest_charge").get("created")) or occurred_at,
        never_paid=uncaptured,
        # API versions before 2025-03-31 make a refund of what is not captured; those show the intent's invoice.
        uncaptured_refunds=uncaptured if "invoice" in intent else 0,
    )
