"""Subscriptions: who pays regularly for which plan, and the current state, as a join-semilattice of reports.

A subscription has no worth of its own: each of its paid invoices is a purchase. The record names the owner of those
invoices, and is what an account page shows.
"""

import enum
from datetime import datetime
from typing import NewType

import attrs

from domain.values.accounts import UserId
from domain.values.plans import Terms

SubscriptionId = NewType("SubscriptionId", str)


class SubscriptionStatus(enum.StrEnum):
    """A subscription's status in Stripe's words, in the order that decides between reports of the same second."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    CANCELED = "canceled"


ENDED = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})
"""The statuses of subscriptions that no longer charge."""

OWING = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
"""The statuses of subscriptions with an invoice that was not paid in time."""

NOT_LIVE = ENDED | {SubscriptionStatus.INCOMPLETE}
"""The statuses of subscriptions that sell nothing: those that ended, and those that were never paid."""

_RANK = {status: rank for rank, status in enumerate(SubscriptionStatus)}


@attrs.frozen(kw_only=True)
class Subscriber:
    """The owner of a subscription and the plan, as reported at a moment."""

    occurred_at: datetime
    user_id: UserId
    plan_id: str | None
    terms: Terms | None = None
    confirmed: bool = False
    """Whether an operator confirmed the owner; later reports then cannot change it."""

    def _precedence(self) -> tuple[bool, datetime, str, str, tuple[int, int, str]]:
        terms = (self.terms.credits, self.terms.price.amount, self.terms.price.currency) if self.terms else (0, 0, "")
        return self.confirmed, self.occurred_at, self.user_id, self.plan_id or "", terms


@attrs.frozen(kw_only=True)
class SubscriptionState:
    """The subscription's state at a moment."""

    occurred_at: datetime
    status: SubscriptionStatus
    cancels_at_period_end: bool = False
    period_ends_at: datetime | None = None

    def _precedence(self) -> tuple[datetime, int, bool, bool, float]:
        ends = self.period_ends_at
        until = ends.timestamp() if ends else 0.0
        return self.occurred_at, _RANK[self.status], self.cancels_at_period_end, ends is not None, until


@attrs.frozen(kw_only=True)
class Subscription:
    """The latest state of one subscription. The default is the bottom of the semilattice: nothing is known."""

    subscriber: Subscriber | None = None
    state: SubscriptionState | None = None


@attrs.frozen(kw_only=True)
class HeldSubscription:
    """A subscription of an account, as the ledger knows it."""

    id: SubscriptionId
    plan_id: str | None
    """The plan of its newest paid invoice; before there is one, the plan that it named."""
    state: SubscriptionState | None

    @property
    def may_be_live(self) -> bool:
        """Return whether it may still charge, as far as is known; one whose first payment is open does not count."""
        return self.state is None or self.state.status not in NOT_LIVE


def merge_subscriptions(one: Subscription, other: Subscription) -> Subscription:
    """Return the join of two states of knowledge about one subscription."""
    subscribers = [known for known in (one.subscriber, other.subscriber) if known is not None]
    states = [known for known in (one.state, other.state) if known is not None]
    return Subscription(
        subscriber=max(subscribers, key=Subscriber._precedence, default=None),
        state=max(states, key=SubscriptionState._precedence, default=None),
    )
