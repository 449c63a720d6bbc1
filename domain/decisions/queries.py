"""Builds the query that reads from the ledger what a decision about a report needs."""

from datetime import datetime

from domain.changes.changes import SnapshotQuery
from domain.changes.inbox import EventDecision
from domain.decisions.reports import claimed_user, ledger_links
from domain.payments.reports import ProviderReport, SaleReport, SubscriptionReport
from domain.values.plans import MAX_GRACE


def query_for(kept: EventDecision | None, report: ProviderReport) -> SnapshotQuery:
    """Return the query for everything that a decision about a report needs; `kept` is the event that brought it."""
    return SnapshotQuery(
        event_id=kept.event.id if kept else None,
        user_id=claimed_user(report),
        links=ledger_links(report),
        subscription_id=report.subscription_id if isinstance(report, SaleReport | SubscriptionReport) else None,
        periods_since=_periods_since(report),
        claims=isinstance(report, SaleReport) and any(line.amount == 0 for line in report.lines or ()),
        price_ids=_prices_of(report),
    )


def _periods_since(report: ProviderReport) -> datetime | None:
    """Return the earliest time in the report that may change the worth of the subscription's invoices."""
    match report:
        case SaleReport(lines=lines) if lines:
            # Credits that expired shortly before may be extended by this payment.
            return min(line.starts_at for line in lines) - MAX_GRACE
        case SubscriptionReport(occurred_at=occurred_at):
            return occurred_at - MAX_GRACE
        case _:
            return None


def _prices_of(report: ProviderReport) -> frozenset[str]:
    lines = report.lines or () if isinstance(report, SaleReport) else ()
    return frozenset(line.price.id for line in lines if line.price.id is not None)
