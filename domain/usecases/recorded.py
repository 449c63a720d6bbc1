"""The result of recording a report, as returned to its source."""

from datetime import UTC, datetime

import attrs

from domain.changes.changes import Snapshot
from domain.changes.inbox import EventStatus
from domain.decisions.purchase_changes import Decision
from domain.decisions.reports import claimed_user
from domain.payments.purchases import Purchase
from domain.payments.reports import ProviderReport, SaleReport, SubscriptionReport
from domain.payments.subscriptions import Subscriber, Subscription, SubscriptionState
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Recorded:
    """The result of recording a report."""

    status: EventStatus
    reason: str | None = None
    user_id: UserId | None = None
    session_id: str | None = None
    purchase_id: str | None = None
    credits: int = 0
    """The sum of the changes of balances, in credits."""
    duplicate: bool = False
    """Whether this event had been recorded before."""
    is_news: bool = True
    """Whether it adds more to the record than which charge paid, and the exact time."""


def recorded_of(report: ProviderReport, decision: Decision, snapshot: Snapshot) -> Recorded:
    """Return the result of a committed decision."""
    revision = decision.change.revision
    return Recorded(
        status=decision.status,
        reason=decision.reason,
        user_id=decision.order.user_id if decision.order else claimed_user(report),
        session_id=report.session_id if isinstance(report, SaleReport | SubscriptionReport) else None,
        purchase_id=revision.id if revision else None,
        credits=sum(posting.amount for posting in decision.change.postings),
        is_news=_is_news(decision, snapshot),
    )


def _is_news(decision: Decision, snapshot: Snapshot) -> bool:
    revision, subscription = decision.change.revision, decision.change.subscription
    if revision is None and subscription is not None and not decision.change.ends:
        recorded = snapshot.subscription.subscription if snapshot.subscription else None
        return recorded is None or _without_time(recorded) != _without_time(subscription.subscription)
    if revision is None or decision.change.postings or revision.absorbed:
        return True
    known = next((row.purchase for row in snapshot.purchases if row.id == revision.id), None)
    return known is None or _without_charge(known) != _without_charge(revision.purchase)


def _without_charge(purchase: Purchase) -> Purchase:
    links = frozenset(link for link in purchase.links if not link.startswith("charge:"))
    return attrs.evolve(purchase, links=links, paid_at=None)


def _without_time(subscription: Subscription) -> tuple[Subscriber | None, SubscriptionState | None]:
    # An object carries the time at which it was fetched.
    first = datetime.min.replace(tzinfo=UTC)
    subscriber, state = subscription.subscriber, subscription.state
    return (
        attrs.evolve(subscriber, occurred_at=first) if subscriber else None,
        attrs.evolve(state, occurred_at=first) if state else None,
    )
