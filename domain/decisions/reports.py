"""Extracts from a report the links and the user by which the ledger may know it, and the terms of its lines."""

import attrs

from domain.changes.changes import RecordedPurchase, RecordedSubscription, Snapshot
from domain.payments.admission import ParkReason, claimed_owner
from domain.payments.line_plans import made_prices
from domain.payments.line_terms import LineTerms
from domain.payments.purchases import Link, PurchaseId
from domain.payments.reports import Attribution, PaymentReport, ProviderReport, SaleReport, SubscriptionReport
from domain.values.accounts import UserId
from domain.values.plans import Catalogue


def ledger_links(report: ProviderReport) -> frozenset[Link]:
    """Return the links by which the ledger may know the purchase."""
    return report.links if isinstance(report, SaleReport | PaymentReport) else frozenset()


def claimed_user(report: ProviderReport) -> UserId | None:
    """Return the user whom a decision about the report needs."""
    if not isinstance(report, SaleReport | SubscriptionReport):
        return None
    owner = claimed_owner(report.attribution)
    return None if isinstance(owner, ParkReason) else owner


def named_by_subscription(sale: SaleReport, subscription: RecordedSubscription | None) -> SaleReport:
    """Return the sale with the subscription's owner and plan, if it is anonymous or an operator confirmed them.

    A recorded owner's email is not compared: an invoice has the one from the day on which the subscription began.
    """
    subscriber = subscription.subscription.subscriber if subscription else None
    attribution = sale.attribution
    if subscriber is None or attribution.confirmed:
        return sale
    if not (attribution.is_anonymous or subscriber.confirmed):
        stands = claimed_owner(attribution) == subscriber.user_id
        return attrs.evolve(sale, attribution=attrs.evolve(attribution, email=None)) if stands else sale
    named = Attribution(
        user_reference=subscriber.user_id,
        plan_id=attribution.plan_id or subscriber.plan_id,
        terms=attribution.terms or subscriber.terms,
        confirmed=subscriber.confirmed,
    )
    return attrs.evolve(sale, attribution=named)


def of_one_invoice(report: ProviderReport, snapshot: Snapshot) -> tuple[ProviderReport, Snapshot]:
    """Return the facts and the record of one invoice: a payment may pay several, each of which is its own purchase.

    The payment's links stay with the invoice that had them first; facts about the payment alone apply to that one.
    """
    if not isinstance(report, SaleReport | PaymentReport):
        return report, snapshot
    rows = sorted(snapshot.purchases, key=precedence)
    named = (invoice_links(links) for links in (report.links, *(row.purchase.links for row in rows)))
    invoices = next(filter(None, named), frozenset())
    apart = [row for row in rows if (own := invoice_links(row.purchase.links)) and own.isdisjoint(invoices)]
    if not apart:
        return report, snapshot
    theirs = frozenset().union(*(row.purchase.links for row in apart))
    rest = tuple(row for row in snapshot.purchases if row not in apart)
    # The payment's id identifies only one of them; a new purchase takes its invoice's.
    own = invoice_links(report.links)
    id_ = PurchaseId(min(own).partition(":")[2]) if own else report.purchase_id
    return attrs.evolve(report, links=report.links - theirs, purchase_id=id_), attrs.evolve(snapshot, purchases=rest)


def stands(sale: SaleReport, snapshot: Snapshot) -> bool:
    """Return whether the sale's payment already has an order that takes precedence over the sale.

    Once there is one, an operator's claim is too late: claims are for payments without a known owner.
    """
    _, own = of_one_invoice(sale, snapshot)
    orders = (recorded.purchase.order for recorded in own.purchases)
    return any(order is not None and (sale.attribution.confirmed or order.rank >= sale.rank) for order in orders)


def line_terms(sale: SaleReport, snapshot: Snapshot, catalogue: Catalogue) -> LineTerms:
    """Return the context in which the lines of a subscription's invoice are valued."""
    others = (one.purchase.bill for one in snapshot.family if one.id != sale.purchase_id)
    terms = LineTerms(
        catalogue=catalogue,
        attribution=sale.attribution,
        recorded=tuple(line for bill in others if bill is not None for line in bill.lines),
        claimed=snapshot.claimed,
        made=snapshot.made_prices,
    )
    return attrs.evolve(terms, made=(*terms.made, *made_prices(sale.lines or (), terms)))


def precedence(row: RecordedPurchase) -> tuple[bool, PurchaseId]:
    """Return the sort key of a record among those of one payment: one with an order comes first."""
    return row.purchase.order is None, row.id


def invoice_links(links: frozenset[Link]) -> frozenset[Link]:
    """Return the links to invoices."""
    return frozenset(link for link in links if link.startswith("invoice:"))
