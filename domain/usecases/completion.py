"""What a telling leaves out, and only the payment provider knows."""

import attrs

from domain.changes.changes import Snapshot
from domain.decisions.payments import NOT_OURS
from domain.decisions.tellings import line_terms, stands
from domain.payments.admission import item_prices_to_ask, needs_items
from domain.payments.carts import with_item_prices
from domain.payments.line_plans import prices_to_ask, with_prices
from domain.payments.reports import Irrelevant, PaymentNews, Sale, Told
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import Payments, PaymentsUnavailable
from domain.values.plans import Catalogue


async def with_what_is_missing(told: Told, snapshot: Snapshot, payments: Payments, catalogue: Catalogue) -> Told:
    """Return what is told, with what the provider adds where neither telling nor ledger says whose payment it is."""
    told = _in_part(told, snapshot, catalogue)
    try:
        told = await _in_whole(told, snapshot, payments)
        match told:
            case PaymentNews(ours=None) if not snapshot.purchases:
                return await payments.look_up(told)
            case Sale(naming=naming, subscription_id=str() as subscription_id) if naming.names_nobody and not (
                snapshot.subscription and snapshot.subscription.subscription.subscriber
            ):
                found = await payments.subscription(SubscriptionId(subscription_id))
                if found is None:
                    return told
                if found.naming.names_nobody:
                    return Irrelevant(NOT_OURS)
                return attrs.evolve(told, naming=found.naming, subscription_state=found.state)
            case _:
                return told
    except PaymentsUnavailable:
        # Then facts wait on a row of their own, and a sale without a name, or told in part, is parked.
        return told


async def with_asked_prices(sale: Sale, snapshot: Snapshot, payments: Payments, catalogue: Catalogue) -> Sale:
    """Return an invoice with the prices that its lines or items need to be valued; in part, if out of reach."""
    if not (sale.lines or sale.items) or not sale.is_whole or stands(sale, snapshot):
        return sale
    if sale.lines is None:
        wanted = item_prices_to_ask(sale, catalogue)
    else:
        wanted = prices_to_ask(sale, line_terms(sale, snapshot, catalogue))
    try:
        asked = [await payments.price(price_id) for price_id in wanted]
    except PaymentsUnavailable:
        return attrs.evolve(sale, is_whole=False)
    prices = [price for price in asked if price is not None]
    return with_item_prices(sale, prices) if sale.lines is None else with_prices(sale, prices)


def _in_part(told: Told, snapshot: Snapshot, catalogue: Catalogue) -> Told:
    """Return a sale that was told without the items by which alone it can be valued, marked as told in part."""
    if not isinstance(told, Sale) or stands(told, snapshot):
        return told
    if not needs_items(told, catalogue, snapshot.account):
        return told
    return attrs.evolve(told, is_whole=False)


async def _in_whole(told: Told, snapshot: Snapshot, payments: Payments) -> Told:
    """Return a sale that is news, and of which only a part is told, with the rest; an operator's word on it stays."""
    if not isinstance(told, Sale) or told.is_whole:
        return told
    if told.lines is None:
        is_known = stands(told, snapshot)
    else:
        is_known = any(row.purchase.order for row in snapshot.purchases if row.id == told.purchase_id)
    if is_known:
        return told
    whole = await payments.whole(told)
    if isinstance(whole, Sale) and told.naming.confirmed:
        return attrs.evolve(whole, naming=told.naming)
    return whole
