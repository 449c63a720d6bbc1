"""Cancel an account's subscription, at once or with its period, with a preview of money and credits."""

import attrs

from domain.payments.subscription_changes import Cancellation, ProviderSubscription
from domain.payments.subscriptions import ENDED, SubscriptionStatus
from domain.ports.subscription_changes import SubscriptionChanges
from domain.usecases.selling.change_subscription import SubscriptionPreview
from domain.usecases.selling.foresight import CreditsForeseer
from domain.usecases.selling.present_period import present_period
from domain.usecases.selling.read_subscriptions import NoSubscription, SubscriptionReader
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class CancelWish:
    """A wish to cancel an account's subscription. `gives_back` credits unused time to the customer's balance."""

    user_id: UserId
    at_once: bool
    gives_back: bool = False
    subscription_id: str | None = None
    """The subscription, needed if the account has several."""


@attrs.frozen(kw_only=True)
class SubscriptionCanceler:
    """Cancels subscriptions, and previews the cancellations."""

    reader: SubscriptionReader
    provider: SubscriptionChanges
    foreseer: CreditsForeseer

    async def preview(self, wish: CancelWish) -> SubscriptionPreview:
        """Return what the cancellation would bring if it was made now; nothing is changed.

        :raises PaymentDue: if unused time is to be given back of a period that is not paid.
        :raises ChangeRefused: if the provider would refuse it.
        :raises PriceNotBilled: if unused time is to be given back at a price that the latest invoice did not bill.
        :raises Unforeseeable: if an operator would have to decide about its invoice.
        :raises PaymentsUnavailable: if the provider could not be reached. Further as :meth:`SubscriptionReader.chosen`.
        """
        held, found = await self.reader.chosen(wish.user_id, wish.subscription_id)
        wanted = _cancellation(wish, found)
        # Without anything to give back, no invoice follows.
        invoice = await self.provider.preview(wanted) if wanted.gives_back else None
        state = attrs.evolve(found.state, cancels_at_period_end=True)
        if wanted.at_once:
            state = attrs.evolve(found.state, status=SubscriptionStatus.CANCELED)
        credits_ = await self.foreseer.foresee(wish.user_id, held, state, invoice)
        return SubscriptionPreview(
            subscription_id=held.id, plan_id=None, price_id=None, invoice=invoice, credits=credits_
        )

    async def cancel(self, wish: CancelWish) -> ProviderSubscription:
        """Cancel the subscription and return how it stands; one that just ended is returned as it is.

        :raises PaymentDue: if unused time is to be given back of a period that is not paid.
        :raises ChangeRefused: if the provider refuses.
        :raises PriceNotBilled: if unused time is to be given back at a price that the latest invoice did not bill.
        :raises PaymentsUnavailable: if the provider could not be reached. Further as :meth:`SubscriptionReader.chosen`.
        """
        held, found = await self.reader.chosen(wish.user_id, wish.subscription_id, may_have_ended=True)
        if found.state.status in ENDED:
            return found
        canceled = await self.provider.cancel(_cancellation(wish, found)) or await self.provider.find(held.id)
        if canceled is None:
            raise NoSubscription
        return canceled


def _cancellation(wish: CancelWish, found: ProviderSubscription) -> Cancellation:
    gives_back = wish.gives_back and wish.at_once
    if gives_back:
        for item in found.items:
            present_period(item, found).check_change_at_once(item, found)
    return Cancellation(
        subscription_id=found.id,
        at_once=wish.at_once,
        gives_back=gives_back,
        schedule_id=found.schedule_id,
    )
