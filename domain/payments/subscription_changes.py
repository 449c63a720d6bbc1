"""Subscriptions as the provider has them, changes of them that are decided, and previews of what these would bill."""

from datetime import datetime

import attrs

from domain.payments.reports import InvoiceLine, Price, SaleReport
from domain.payments.subscriptions import OWING, SubscriptionId, SubscriptionState
from domain.values.accounts import UserId
from domain.values.plans import PlanId, Terms


@attrs.frozen(kw_only=True)
class SubscribedItem:
    """One item of a subscription: so many times a price."""

    id: str
    price: Price
    quantity: int


@attrs.frozen(kw_only=True)
class LatestInvoice:
    """The newest invoice of a subscription, which may be a draft."""

    made_at: datetime
    is_owed: bool
    """Whether it is neither paid nor void: time that it bills may never be paid."""
    lines: tuple[InvoiceLine, ...]
    """The lines that it bills; none if it is void."""


@attrs.frozen(kw_only=True)
class ProviderSubscription:
    """A subscription as it is at the provider; the state's time is by the provider's clock."""

    id: SubscriptionId
    state: SubscriptionState
    items: tuple[SubscribedItem, ...]
    latest_invoice: str | None = None
    billed: LatestInvoice | None = None
    """The latest invoice itself, where the subscription was looked up; None if there is none."""
    schedule_id: str | None = None
    """The schedule that changes it later, such as one that a customer made in the portal; it hinders other changes."""

    @property
    def owes(self) -> bool:
        """Return whether its present period may be unpaid, so that its unused time is not the customer's money."""
        return self.state.status in OWING or (self.billed is not None and self.billed.is_owed)


@attrs.frozen(kw_only=True)
class PlanChange:
    """A change of one item of a user's subscription to another plan, decided in all its parameters.

    At once, unused time is given back and the rest of the period is charged, as of `prorated_at` if that is given. Else
    nothing is charged now, and the next period costs the new price. Either way it no longer ends with its period.
    """

    user_id: UserId
    subscription_id: SubscriptionId
    item_id: str
    price_id: str
    quantity: int
    plan_id: PlanId
    terms: Terms
    at_once: bool
    is_switch: bool = True
    """Whether the price changes; else the subscription only no longer ends with its period."""
    prorated_at: datetime | None = None
    schedule_id: str | None = None
    """The schedule that is released first."""


@attrs.frozen(kw_only=True)
class Cancellation:
    """The end of a subscription: at once, or with its period. `gives_back` credits unused time to the customer."""

    subscription_id: SubscriptionId
    at_once: bool
    gives_back: bool = False
    schedule_id: str | None = None
    """The schedule that is released first."""


@attrs.frozen(kw_only=True)
class BilledLine:
    """A line of a previewed invoice; the amount is in minor units, before discounts and tax."""

    description: str | None
    amount: int
    starts_at: datetime
    ends_at: datetime


@attrs.frozen(kw_only=True)
class InvoicePreview:
    """An invoice that would be made; amounts are in minor units of `currency`.

    A total below zero goes to the customer's balance. A balance below zero is the customer's money, and pays first.
    """

    report: SaleReport
    """The report that the invoice would make once it is paid."""
    currency: str
    total: int
    """The sum after discounts and tax."""
    tax: int
    amount_due: int
    """The amount that would be charged."""
    starting_balance: int
    billed_at: datetime
    """When it would be made."""
    prorated_at: datetime | None
    """The moment as of which prorations are computed; None if there are none."""
    lines: tuple[BilledLine, ...]
