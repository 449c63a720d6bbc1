"""Subscriptions at the payment provider: how one stands, what a change of it would bill, and the change itself."""

from typing import Protocol

import attrs

from domain.payments.line_terms import MadePrice
from domain.payments.subscription_changes import Cancellation, InvoicePreview, PlanChange, ProviderSubscription
from domain.payments.subscriptions import SubscriptionId
from domain.values.plans import Plan
from domain.values.prices import PlanPrice


@attrs.frozen
class ChangeDeclined(Exception):
    """The bank did not pay what a change costs; the subscription's plan was not changed."""

    code: str
    """The provider's word for why, such as `insufficient_funds` or `authentication_required`."""
    is_schedule_dropped: bool = False
    """Whether the subscription had a schedule, which was released for the change and is gone."""

    @property
    def effect(self) -> str:
        """Return what became of the subscription, in words."""
        return _effect(is_schedule_dropped=self.is_schedule_dropped)


@attrs.frozen
class ChangeRefused(Exception):
    """The provider rejects a change permanently; neither plan nor end of the subscription was changed."""

    reason: str
    is_schedule_dropped: bool = False
    """Whether the subscription had a schedule, which was released for the change and is gone."""

    @property
    def effect(self) -> str:
        """Return what became of the subscription, in words."""
        return _effect(is_schedule_dropped=self.is_schedule_dropped)


def _effect(*, is_schedule_dropped: bool) -> str:
    if is_schedule_dropped:
        return "the plan was not changed, but the change that was scheduled in the portal was dropped"
    return "nothing was changed"


class SubscriptionChanges(Protocol):
    """Subscriptions at the provider.

    Every method raises :class:`domain.ports.payment_provider.PaymentsUnavailable`, and all but the first
    :class:`domain.ports.payment_provider.PaymentsRefused` if the key may not do it.
    """

    async def find(self, subscription_id: SubscriptionId) -> ProviderSubscription | None:
        """Return the subscription as it is now, or None if there is none."""
        ...

    async def make_price(self, plan: Plan, sells: PlanPrice) -> MadePrice:
        """Return a price of the plan on these terms; asked for again within a day, it is the same one."""
        ...

    async def preview(self, wanted: PlanChange | Cancellation) -> InvoicePreview | None:
        """Return the invoice that would follow: at once, or else the next one. None if none would.

        :raises ChangeRefused: if the provider would refuse the change.
        """
        ...

    async def change(self, wanted: PlanChange, *, idempotency_key: str) -> ProviderSubscription:
        """Change the subscription and charge what is due; the same key changes it once.

        :raises ChangeDeclined: if the bank does not pay.
        :raises ChangeRefused: if the provider refuses.
        """
        ...

    async def cancel(self, wanted: Cancellation) -> ProviderSubscription | None:
        """Cancel the subscription; None if it is gone, or was canceled before.

        :raises ChangeRefused: if the provider refuses.
        """
        ...
