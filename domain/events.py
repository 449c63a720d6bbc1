"""What reaches us from the payment provider, already translated out of its shapes."""

from datetime import datetime

import attrs

from domain.money import Money
from domain.plans import PlanMode, Terms
from domain.purchases import Fact, Link, PurchaseId


@attrs.frozen(kw_only=True)
class InboxEvent:
    """A verified event as it is kept: its envelope, and the exact body that was signed."""

    id: str
    type: str
    body: str
    livemode: bool
    account: str | None = None
    """Set when the event is of a connected account, not of our own."""
    api_version: str | None = None
    created: datetime | None = None
    """When it happened, in whole seconds; it does not order events."""
    session_id: str | None = None


@attrs.frozen(kw_only=True)
class Sale:
    """What a checkout tells of a sale, before anything of it is believed."""

    purchase_id: PurchaseId
    session_id: str
    links: frozenset[Link]
    mode: PlanMode
    facts: tuple[Fact, ...]
    """The payment's status; the order itself is a fact only once it is admitted."""
    subtotal: Money
    """What the customer was asked for before discounts and tax, in the currency of the price."""
    paid: Money
    """What the customer pays in all, tax included."""
    user_reference: str | None
    email: str | None
    plan_id: str | None
    terms: Terms | None
    """The terms recorded when we created the session; None when it was made elsewhere."""
    client_reference: str | None
    """A reference that the buyer can choose on a payment link, so it only proposes an owner."""


@attrs.frozen
class Irrelevant:
    """Nothing that concerns credits: another application's payment, or an event type we do not use."""

    reason: str


@attrs.frozen
class Unreadable:
    """An event that should concern us, in a shape that can't be read: kept whole until it can."""

    reason: str


Told = Sale | Irrelevant | Unreadable


@attrs.frozen
class Delivery:
    """One verified delivery: the event, and what it tells."""

    event: InboxEvent
    told: Told
