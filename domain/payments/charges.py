"""Charges of saved cards: one request of a service to charge a customer who is not there, and what became of it.

A charge is recorded before the provider is asked for money, and has one payment at the provider at most. While nobody
knows whether that payment was made, the charge stays `charging`.
"""

import enum
from datetime import datetime
from typing import NewType

import attrs

from domain.payments.reports import InboxEvent, ProviderReport
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import PlanId, Terms

ChargeId = NewType("ChargeId", str)
"""A UUID. The provider stores it with the payment, so that the payment can be found by it."""


class ChargeStatus(enum.StrEnum):
    """The states of a charge; the last four are final."""

    CREATED = "created"
    """Recorded; the provider was not asked for money yet."""
    CHARGING = "charging"
    """The provider may have been asked; nobody knows yet what came of it."""
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    """Nothing was charged: the bank wants the customer to confirm the payment."""
    ABANDONED = "abandoned"
    """Nothing was charged, nor will be."""

    @property
    def is_final(self) -> bool:
        """Return whether it never changes again."""
        return self not in TRANSITIONS


TRANSITIONS = {
    ChargeStatus.CREATED: frozenset({ChargeStatus.CHARGING, ChargeStatus.ABANDONED}),
    ChargeStatus.CHARGING: frozenset(
        {ChargeStatus.SUCCEEDED, ChargeStatus.DECLINED, ChargeStatus.REQUIRES_ACTION, ChargeStatus.ABANDONED}
    ),
}
"""The next states of those that are not final."""

NO_SAVED_CARD = "no_saved_card"
NO_PERMISSION = "no_permission"
USER_DELETED = "user_deleted"
INTERRUPTED = "interrupted"
NEVER_MADE = "never_made"
CANCELED = "canceled"


@attrs.frozen(kw_only=True)
class SavedCard:
    """The card to charge, and the customer whose it is."""

    customer_id: CustomerId
    payment_method: str
    read_at: datetime
    """A time, by the provider's clock, before it said so: no payment with this card can be older."""


@attrs.frozen(kw_only=True)
class NewCharge:
    """A charge that a service asks for under its key."""

    id: ChargeId
    key: str
    user_id: UserId
    plan_id: PlanId
    terms: Terms


@attrs.frozen(kw_only=True)
class Charge:
    """A charge as the ledger has it; `amount` is in minor units of the currency."""

    id: ChargeId
    user_id: UserId
    plan_id: PlanId
    credits: int
    amount: int
    currency: str
    status: ChargeStatus
    attempts: int
    """Counts the claims; only the last claim may write."""
    created_at: datetime
    charging_since: datetime | None = None
    """Before the provider was first asked for money, by the ledger's clock."""
    card: SavedCard | None = None
    payment_intent: str | None = None
    """Its payment; while the charge is `charging`, one that was made and whose credits could not be added yet."""
    code: str | None = None
    """The provider's reason for a decline, or ours for an abandoned charge."""
    is_hard: bool = False
    """Whether this card will be declined again."""

    @property
    def terms(self) -> Terms:
        """Return what is sold."""
        return Terms(credits=self.credits, price=Money(amount=self.amount, currency=self.currency))


@attrs.frozen(kw_only=True)
class ClaimedCharge:
    """A charge, and whether the caller may go on with it."""

    charge: Charge
    is_owner: bool
    now: datetime
    """The ledger's time."""
    send_before: datetime
    """When the claim ends, by this process's own clock: others may go on with the charge from then on."""


@attrs.frozen
class Paid:
    """The money was taken; the report says what it is a payment for."""

    payment_intent: str
    report: ProviderReport
    event: InboxEvent | None = attrs.field(default=None, eq=False, repr=False)
    """The payment, wrapped in an event so that the inbox can store it; None if it cannot."""


@attrs.frozen
class Declined:
    """The bank declined; a hard decline will be repeated, a soft one may pass later."""

    payment_intent: str | None
    code: str
    is_hard: bool


@attrs.frozen
class AuthenticationRequired:
    """The bank wants the customer to confirm the payment, who is not there."""

    payment_intent: str | None


@attrs.frozen
class NotCharged:
    """Nothing was charged, nor will be, for the reason that the code names."""

    code: str


@attrs.frozen
class Undecided:
    """There is a payment that neither succeeded nor failed yet."""

    payment_intent: str


FinalOutcome = Paid | Declined | AuthenticationRequired | NotCharged
Outcome = FinalOutcome | Undecided


def status_of(outcome: FinalOutcome) -> ChargeStatus:
    """Return the state of a charge that came to this."""
    match outcome:
        case Paid():
            return ChargeStatus.SUCCEEDED
        case Declined():
            return ChargeStatus.DECLINED
        case AuthenticationRequired():
            return ChargeStatus.REQUIRES_ACTION
        case NotCharged():
            return ChargeStatus.ABANDONED
