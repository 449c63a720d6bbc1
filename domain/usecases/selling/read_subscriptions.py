"""Read an account's subscriptions, and find the one that a request is about: the ledger says which are its own."""

import contextlib

import attrs

from domain.payments.subscription_changes import ProviderSubscription
from domain.payments.subscriptions import NOT_LIVE, HeldSubscription, SubscriptionId
from domain.ports.ledger import Accounts, AccountSubscriptions
from domain.ports.payment_provider import PaymentsUnavailable
from domain.ports.subscription_changes import SubscriptionChanges
from domain.usecases.read_account import UnknownUser
from domain.values.accounts import UserId


@attrs.frozen
class NoSubscription(Exception):
    """The account has no live subscription."""


@attrs.frozen
class UnknownSubscription(Exception):
    """The account has no subscription with that id."""

    subscription_id: str


@attrs.frozen
class SeveralSubscriptions(Exception):
    """The account has several live subscriptions, and the request names none."""

    subscription_ids: tuple[str, ...]


@attrs.frozen
class PaymentDue(Exception):
    """An invoice of the subscription is not paid, so its unused time cannot be given back."""


@attrs.frozen(kw_only=True)
class SubscriptionReader:
    """Reads the subscriptions of accounts."""

    accounts: Accounts
    subscriptions: AccountSubscriptions
    provider: SubscriptionChanges

    async def live(self, user_id: UserId) -> tuple[HeldSubscription, ...]:
        """Return the account's live subscriptions as the ledger knows them, newest first.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        if await self.accounts.account(user_id) is None:
            raise UnknownUser(user_id)
        return tuple(one for one in await self.subscriptions.subscriptions_of(user_id) if one.may_be_live)

    async def another(self, user_id: UserId) -> HeldSubscription | None:
        """Return a live subscription of the account, or None.

        The provider is asked whether it ended, since its event may be late. While it is away, the ledger decides.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        for held in await self.live(user_id):
            with contextlib.suppress(PaymentsUnavailable):
                if not await self.is_live(held.id):
                    continue
            return held
        return None

    async def is_live(self, subscription_id: SubscriptionId) -> bool:
        """Return whether a subscription is live at the provider.

        :raises PaymentsUnavailable: if the provider could not be reached.
        """
        found = await self.provider.find(subscription_id)
        return found is not None and found.state.status not in NOT_LIVE

    async def chosen(
        self, user_id: UserId, named: str | None, *, may_have_ended: bool = False
    ) -> tuple[HeldSubscription, ProviderSubscription]:
        """Return the subscription that a request is about, as the ledger and as the provider know it.

        With `may_have_ended`, one that just ended is returned too, if the ledger does not know it yet.

        :raises UnknownUser: if the ledger knows no such user.
        :raises NoSubscription: if none of the account's subscriptions is live.
        :raises UnknownSubscription: if the account has no live subscription with the id.
        :raises SeveralSubscriptions: if no id is given, and there are several.
        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        live = await self.live(user_id)
        if named is not None and all(one.id != named for one in live):
            raise UnknownSubscription(named)
        if not live:
            raise NoSubscription
        if named is None and len(live) > 1:
            raise SeveralSubscriptions(tuple(one.id for one in live))
        held = next(one for one in live if named in (None, one.id))
        found = await self.provider.find(held.id)
        if found is None or (found.state.status in NOT_LIVE and not may_have_ended):
            raise NoSubscription
        return held, found
