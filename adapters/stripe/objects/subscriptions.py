"""Translates a Stripe subscription's state, in any API version since 2017."""

from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from domain.payments.reports import ProviderReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId, SubscriptionState, SubscriptionStatus

_REPORTING = (
    "created",
    "updated",
    "deleted",
    "paused",
    "resumed",
    "pending_update_applied",
    "pending_update_expired",
    "trial_will_end",
)
SUBSCRIPTION_EVENTS = frozenset(f"customer.subscription.{what}" for what in _REPORTING)

_STATUS = {status.value: status for status in SubscriptionStatus}


def read_subscription(
    subscription: Object, occurred_at: datetime | None, *, event_type: str | None = None
) -> ProviderReport:
    """Return the report of a `subscription` object; `occurred_at` is when the event was created or the object fetched.

    :raises UnreadableField: if its structure is unknown.
    """
    occurred_at = fields.reported_at(occurred_at)
    report = subscription.get("status")
    status = _STATUS.get(report) if isinstance(report, str) else None
    if event_type == "customer.subscription.deleted":
        status = SubscriptionStatus.CANCELED
    if status is None:
        raise UnreadableField("the subscription's status is unknown")
    return SubscriptionReport(
        subscription_id=SubscriptionId(fields.own_id(subscription)),
        attribution=fields.attribution(fields.metadata(subscription)),
        state=SubscriptionState(
            occurred_at=occurred_at,
            status=status,
            cancels_at_period_end=_ends_with_period(subscription),
            period_ends_at=_period_end(subscription),
        ),
        occurred_at=occurred_at,
    )


def _ends_with_period(subscription: Object) -> bool:
    """Return whether it ends with its current period and does not renew."""
    ends_at, period_ends_at = fields.moment(subscription.get("cancel_at")), _period_end(subscription)
    is_soon = ends_at is not None and (period_ends_at is None or ends_at <= period_ends_at)
    return subscription.get("cancel_at_period_end") is True or is_soon


def _period_end(subscription: Object) -> datetime | None:
    ends = [fields.moment(subscription.get("current_period_end"))]
    ends += [fields.moment(item.get("current_period_end")) for item in fields.items(subscription, "items")]
    return max((end for end in ends if end is not None), default=None)
