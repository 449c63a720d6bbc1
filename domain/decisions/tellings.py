"""What a telling names: the links and the user by which the ledger may know it, and the terms of its lines."""

import attrs

from domain.changes.changes import RecordedPurchase, RecordedSubscription, Snapshot
from domain.payments.admission import ParkReason, owner_named
from domain.payments.line_plans import made_prices
from domain.payments.line_terms import LineTerms
from domain.payments.purchases import Link, PurchaseId
from domain.payments.reports import Naming, PaymentNews, Sale, SubscriptionNews, Told
from domain.values.accounts import UserId
from domain.values.plans import Catalogue


def links_of(told: Told) -> frozenset[Link]:
    """The links by which the ledger may know the purchase."""
    return told.links if isinstance(told, Sale | PaymentNews) else frozenset()


def user_told(told: Told) -> UserId | None:
    """The user whom a decision about the telling will have to know."""
    if not isinstance(told, Sale | SubscriptionNews):
        return None
    owner = owner_named(told.naming)
    return None if isinstance(owner, ParkReason) else owner


def named_by_subscription(sale: Sale, subscription: RecordedSubscription | None) -> Sale:
    """The sale, with the subscription's owner and plan where its invoice names nobody, or a person confirmed them.

    Of the owner that stands no address is wanted: an invoice has the one of the day on which the subscription began.
    """
    subscriber = subscription.subscription.subscriber if subscription else None
    naming = sale.naming
    if subscriber is None or naming.confirmed:
        return sale
    if not (naming.names_nobody or subscriber.confirmed):
        stands = owner_named(naming) == subscriber.user_id
        return attrs.evolve(sale, naming=attrs.evolve(naming, email=None)) if stands else sale
    named = Naming(
        user_reference=subscriber.user_id,
        plan_id=naming.plan_id or subscriber.plan_id,
        terms=naming.terms or subscriber.terms,
        confirmed=subscriber.confirmed,
    )
    return attrs.evolve(sale, naming=named)


def of_one_invoice(told: Told, snapshot: Snapshot) -> tuple[Told, Snapshot]:
    """What is told, and what is known, of one invoice: a payment may pay several, each of which is a purchase.

    The payment's links stay with the invoice that had them first, and what is told of the payment alone is told of it.
    """
    if not isinstance(told, Sale | PaymentNews):
        return told, snapshot
    rows = sorted(snapshot.purchases, key=precedence)
    named = (invoice_links(links) for links in (told.links, *(row.purchase.links for row in rows)))
    invoices = next(filter(None, named), frozenset())
    apart = [row for row in rows if (own := invoice_links(row.purchase.links)) and own.isdisjoint(invoices)]
    if not apart:
        return told, snapshot
    theirs = frozenset().union(*(row.purchase.links for row in apart))
    rest = tuple(row for row in snapshot.purchases if row not in apart)
    # The payment's own name is for one of them: what begins now has its invoice's.
    own = invoice_links(told.links)
    id_ = PurchaseId(min(own).partition(":")[2]) if own else told.purchase_id
    return attrs.evolve(told, links=told.links - theirs, purchase_id=id_), attrs.evolve(snapshot, purchases=rest)


def stands(sale: Sale, snapshot: Snapshot) -> bool:
    """Return whether the sale's payment has an order that goes before what the sale tells.

    Once there is one, a person's word comes too late: it is for what nobody else could tell.
    """
    _, own = of_one_invoice(sale, snapshot)
    orders = (recorded.purchase.order for recorded in own.purchases)
    return any(order is not None and (sale.naming.confirmed or order.rank >= sale.rank) for order in orders)


def line_terms(sale: Sale, snapshot: Snapshot, catalogue: Catalogue) -> LineTerms:
    """Return what is known when the lines of a subscription's invoice are valued."""
    others = (one.purchase.bill for one in snapshot.family if one.id != sale.purchase_id)
    terms = LineTerms(
        catalogue=catalogue,
        naming=sale.naming,
        recorded=tuple(line for bill in others if bill is not None for line in bill.lines),
        claimed=snapshot.claimed,
        made=snapshot.made_prices,
    )
    return attrs.evolve(terms, made=(*terms.made, *made_prices(sale.lines or (), terms)))


def precedence(row: RecordedPurchase) -> tuple[bool, PurchaseId]:
    """Return the place of a row among those of one payment: one with an order comes first."""
    return row.purchase.order is None, row.id


def invoice_links(links: frozenset[Link]) -> frozenset[Link]:
    """Return those of the links that lead to an invoice."""
    return frozenset(link for link in links if link.startswith("invoice:"))
