"""Subscriptions: who pays for which plan again and again, and how it stands, as a join-semilattice of reports.

A subscription is worth nothing by itself: each paid invoice of it is a purchase. What is kept here names the owner of
those invoices, and is what an account page shows.
"""

import enum
from datetime import datetime
from typing import NewType

import attrs

from domain.values.accounts import UserId
from domain.values.plans import Terms

SubscriptionId = NewType("SubscriptionId", str)


class SubscriptionStatus(enum.StrEnum):
    """A subscription's life in Stripe's words, in the order that decides within one second."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    CANCELED = "canceled"


ENDED = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})
"""The statuses of subscriptions that charge nobody any more."""


_RANK = {status: rank for rank, status in enumerate(SubscriptionStatus)}


@attrs.frozen(kw_only=True)
class Subscriber:
    """Who subscribed to what, as it was told at a moment."""

    occurred_at: datetime
    user_id: UserId
    plan_id: str | None
    terms: Terms | None = None
    confirmed: bool = False
    """Whether a person confirmed the owner; no later report then names another."""

    def _precedence(self) -> tuple[bool, datetime, str, str, tuple[int, int, str]]:
        terms = (self.terms.credits, self.terms.price.amount, self.terms.price.currency) if self.terms else (0, 0, "")
        return self.confirmed, self.occurred_at, self.user_id, self.plan_id or "", terms


@attrs.frozen(kw_only=True)
class SubscriptionState:
    """How the subscription stood at a moment."""

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
    """The latest that is known of one subscription. The default is the bottom: nothing known."""

    subscriber: Subscriber | None = None
    state: SubscriptionState | None = None


def merge_subscriptions(one: Subscription, other: Subscription) -> Subscription:
    """Return the join of what two sources know of one subscription."""
    subscribers = [known for known in (one.subscriber, other.subscriber) if known is not None]
    states = [known for known in (one.state, other.state) if known is not None]
    return Subscription(
        subscriber=max(subscribers, key=Subscriber._precedence, default=None),
        state=max(states, key=SubscriptionState._precedence, default=None),
    )
