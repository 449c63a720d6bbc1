"""Builds the query for what a decision about a report, or about credit operations, needs of the ledger."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from domain.changes.changes import HoldingsQuery, SnapshotQuery
from domain.changes.inbox import EventDecision
from domain.decisions.operations import CaptureHold, CreditOperation, VoidHold, key_of, most_taken
from domain.decisions.reports import claimed_user, ledger_links
from domain.payments.reports import ProviderReport, SaleReport, SubscriptionReport
from domain.values.accounts import UserId
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


def query_for_operations(operations: Sequence[CreditOperation], now: datetime | None) -> HoldingsQuery:
    """Return the query for everything that decisions about the operations need; None decides by the ledger's clock."""
    taking: Counter[UserId] = Counter()
    hold_ids = set()
    for operation in operations:
        if isinstance(operation, CaptureHold | VoidHold):
            hold_ids.add(operation.hold_id)
        else:
            taking[operation.user_id] += most_taken(operation)
    return HoldingsQuery(
        user_ids=frozenset(taking),
        keys=frozenset(key for operation in operations if (key := key_of(operation)) is not None),
        hold_ids=frozenset(hold_ids),
        taking=taking,
        now=now,
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
    if not isinstance(report, SaleReport):
        return frozenset()
    prices = (*(line.price for line in report.lines or ()), *(item.price for item in report.items or ()))
    return frozenset(price.id for price in prices if price.id is not None)
