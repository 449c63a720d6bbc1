"""Completes reports with what only the payment provider knows."""

import attrs

from domain.changes.changes import Snapshot
from domain.decisions.payments import NOT_OURS
from domain.decisions.reports import line_terms, stands
from domain.payments.admission import item_prices_to_ask, needs_items
from domain.payments.carts import with_item_prices
from domain.payments.line_plans import prices_to_ask, with_prices
from domain.payments.reports import Irrelevant, PaymentReport, ProviderReport, SaleReport
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import Payments, PaymentsUnavailable
from domain.values.plans import Catalogue


async def with_what_is_missing(
    report: ProviderReport, snapshot: Snapshot, payments: Payments, catalogue: Catalogue
) -> ProviderReport:
    """Return the report, completed by the provider if neither report nor ledger says whose payment it is."""
    report = _in_part(report, snapshot, catalogue)
    try:
        report = await _in_whole(report, snapshot, payments)
        match report:
            case PaymentReport(ours=None) if not snapshot.purchases:
                return await payments.look_up(report)
            case SaleReport(attribution=attribution, subscription_id=str() as subscription_id) if (
                attribution.is_anonymous
                and not (snapshot.subscription and snapshot.subscription.subscription.subscriber)
            ):
                found = await payments.subscription(SubscriptionId(subscription_id))
                if found is None:
                    return report
                if found.attribution.is_anonymous:
                    return Irrelevant(NOT_OURS)
                return attrs.evolve(report, attribution=found.attribution, subscription_state=found.state)
            case _:
                return report
    except PaymentsUnavailable:
        # Then the facts are stored in a row of their own, and an anonymous or incomplete sale is parked.
        return report


async def with_asked_prices(
    sale: SaleReport, snapshot: Snapshot, payments: Payments, catalogue: Catalogue
) -> SaleReport:
    """Return the sale with the prices that its lines or items need to be valued, as far as Stripe answers."""
    if not (sale.lines or sale.items) or not sale.is_complete or stands(sale, snapshot):
        return sale
    if sale.lines is None:
        wanted = item_prices_to_ask(sale, catalogue)
    else:
        wanted = prices_to_ask(sale, line_terms(sale, snapshot, catalogue))
    try:
        asked = [await payments.price(price_id) for price_id in wanted]
    except PaymentsUnavailable:
        return attrs.evolve(sale, is_complete=False)
    prices = [price for price in asked if price is not None]
    return with_item_prices(sale, prices) if sale.lines is None else with_prices(sale, prices)


def _in_part(report: ProviderReport, snapshot: Snapshot, catalogue: Catalogue) -> ProviderReport:
    """Return the sale, marked as incomplete if it lacks the items without which it cannot be valued."""
    if not isinstance(report, SaleReport) or stands(report, snapshot):
        return report
    if not needs_items(report, catalogue, snapshot.account):
        return report
    return attrs.evolve(report, is_complete=False)


async def _in_whole(report: ProviderReport, snapshot: Snapshot, payments: Payments) -> ProviderReport:
    """Return a new, incomplete sale with the rest of it; what an operator confirmed stays."""
    if not isinstance(report, SaleReport) or report.is_complete:
        return report
    if report.lines is None:
        is_known = stands(report, snapshot)
    else:
        is_known = any(row.purchase.order for row in snapshot.purchases if row.id == report.purchase_id)
    if is_known:
        return report
    whole = await payments.complete_sale(report)
    if isinstance(whole, SaleReport) and report.attribution.confirmed:
        return attrs.evolve(whole, attribution=report.attribution)
    return whole
