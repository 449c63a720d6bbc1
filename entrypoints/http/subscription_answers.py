"""The requests about subscriptions, and their answers."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import attrs
import msgspec

from domain.payments.subscription_changes import ProviderSubscription
from domain.payments.subscriptions import HeldSubscription, SubscriptionStatus
from domain.usecases.selling.change_subscription import SubscriptionPreview
from entrypoints.presenting import present

Id = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[!-~]+\Z")]
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class When(StrEnum):
    """The moment of a change or an end: now, or when the present period ends."""

    NOW = "now"
    PERIOD_END = "period_end"


@attrs.frozen(kw_only=True)
class ChangeRequest:
    """The plan to change to. A service names the user, and any caller the subscription if there are several.

    `proration_date` and `price` are those of a preview, at most 15 minutes ago: then exactly what was previewed is
    charged, or the change is refused.
    """

    plan: str
    when: When = When.NOW
    proration_date: Time | None = None
    price: Id | None = None
    subscription: Id | None = None
    user_id: str | None = None


@attrs.frozen(kw_only=True)
class CancelRequest:
    """A cancellation. Only a service may `give_back` unused time, to the customer's balance at Stripe."""

    when: When = When.PERIOD_END
    give_back: bool = False
    subscription: Id | None = None
    user_id: str | None = None


@attrs.frozen(kw_only=True)
class SubscriptionHeld:
    """A live subscription. Its `plan` is that of its newest paid invoice; `status` is null until Stripe reports one."""

    id: str
    plan: str | None
    status: SubscriptionStatus | None
    cancels_at_period_end: bool
    period_ends_at: datetime | None


@attrs.frozen
class SubscriptionsHeld:
    """The account's live subscriptions, newest first."""

    subscriptions: tuple[SubscriptionHeld, ...]


@attrs.frozen(kw_only=True)
class SubscriptionChanged:
    """The subscription as it is at Stripe now. Its credits follow when Stripe reports the invoice."""

    id: str
    status: SubscriptionStatus
    cancels_at_period_end: bool
    period_ends_at: datetime | None
    latest_invoice: str | None


@attrs.frozen(kw_only=True)
class LinePreview:
    """A line of the invoice; `amount` is in minor units, before discounts and tax, and below zero gives back."""

    description: str | None
    amount: int
    starts_at: datetime
    ends_at: datetime


@attrs.frozen(kw_only=True)
class MoneyPreview:
    """The invoice that would follow, in minor units of `currency`.

    `total` is after discounts and with `tax` that is added. `amount_due` is charged; it is less than the total if
    `balance_before`, the customer's balance at Stripe, is below zero, which is money of theirs. A total below zero goes
    there.
    """

    currency: str
    total: int
    tax: int
    amount_due: int
    balance_before: int
    billed_at: datetime
    lines: tuple[LinePreview, ...]


@attrs.frozen(kw_only=True)
class GrantChange:
    """A grant whose credits or expiry would change; `credits` is signed."""

    plan: str | None
    credits: int
    period_ends_at: datetime | None
    expires_at: datetime | None


@attrs.frozen(kw_only=True)
class CreditsChange:
    """The credits that would come and go once the invoice is paid, and the balance then; below zero is debt."""

    credits: int
    balance: int
    grants: tuple[GrantChange, ...]


@attrs.frozen(kw_only=True)
class Preview:
    """A change that was not made. `money` is null if no invoice would follow; `plan` and `price`, the id of Stripe's
    price, are null if the subscription would end.
    """

    subscription: str
    plan: str | None
    price: str | None
    proration_date: datetime | None
    money: MoneyPreview | None
    credits: CreditsChange


def held_answer(held: HeldSubscription) -> SubscriptionHeld:
    """Return a live subscription in its JSON form."""
    state = held.state
    return SubscriptionHeld(
        id=held.id,
        plan=held.plan_id,
        status=state.status if state else None,
        cancels_at_period_end=state is not None and state.cancels_at_period_end,
        period_ends_at=state.period_ends_at if state else None,
    )


def changed_answer(changed: ProviderSubscription) -> SubscriptionChanged:
    """Return a subscription after a change in its JSON form."""
    return present(SubscriptionChanged, changed.state, id=changed.id, latest_invoice=changed.latest_invoice)


def preview_answer(preview: SubscriptionPreview) -> Preview:
    """Return a preview in its JSON form."""
    invoice, credits_ = preview.invoice, preview.credits
    money = None
    if invoice is not None:
        lines = tuple(present(LinePreview, line) for line in invoice.lines)
        money = present(MoneyPreview, invoice, balance_before=invoice.starting_balance, lines=lines)
    grants = tuple(present(GrantChange, grant, plan=grant.plan_id) for grant in credits_.grants)
    return Preview(
        subscription=preview.subscription_id,
        plan=preview.plan_id,
        price=preview.price_id,
        proration_date=invoice.prorated_at if invoice is not None else None,
        money=money,
        credits=present(CreditsChange, credits_, grants=grants),
    )
