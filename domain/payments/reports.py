"""What reaches us from the payment provider, already translated out of its shapes."""

from datetime import datetime
from fractions import Fraction

import attrs

from domain.payments.purchases import Link, OrderRank, Purchase, PurchaseId
from domain.payments.subscriptions import SubscriptionId, SubscriptionState
from domain.values.money import Money
from domain.values.plans import PlanMode, Terms


@attrs.frozen(kw_only=True)
class InboxEvent:
    """A verified event as it is kept: its envelope, and the exact body that was signed."""

    id: str
    type: str
    body: str
    livemode: bool
    account: str | None = None
    """The account that the event names: a connected one, or one of an organization, which may be our own."""
    api_version: str | None = None
    created: datetime | None = None
    """When it happened, in whole seconds; it does not order events."""
    session_id: str | None = None
    object_id: str | None = None
    """The id of the object that it tells of."""


@attrs.frozen(kw_only=True)
class Attribution:
    """Who bought which plan, in the words of a Stripe object's metadata, before anything of it is believed."""

    user_reference: str | None = None
    email: str | None = None
    plan_id: str | None = None
    terms: Terms | None = None
    """The terms recorded when we created the session; None when it was made elsewhere."""
    client_reference: str | None = None
    """A reference that the buyer can choose on a payment link, so it only proposes an owner."""
    confirmed: bool = False
    """Whether a person confirmed the owner, and the plan if they named one."""
    accepts_price: bool = False
    """Whether a person confirmed that what was asked for is the price."""

    @property
    def is_anonymous(self) -> bool:
        """Return whether there is not even a proposal of an owner."""
        return self.user_reference is None and self.client_reference is None


@attrs.frozen(kw_only=True)
class Price:
    """A Stripe price, as far as a line shows it or Stripe was asked for it."""

    id: str | None = None
    product_id: str | None = None
    unit_amount: Fraction | None = None
    """Minor units of one unit for one interval; None where it is not shown, or depends on the quantity."""
    currency: str | None = None
    interval: str | None = None
    interval_count: int = 1
    is_metered: bool = False
    plan_id: str | None = None
    """The plan that its metadata names (`credence_plan`)."""
    credits: int | None = None
    """The credits of one interval that its metadata names (`credence_credits`)."""
    is_complete: bool = False
    """Whether all that Stripe knows of it is told, its metadata among it."""


@attrs.frozen(kw_only=True)
class InvoiceLine:
    """One line of an invoice; amounts are in minor units of the invoice's currency."""

    id: str
    amount: int
    """Before discounts and tax, but for prorations that Stripe shows after discounts; negative where it gives back."""
    net: int
    """After discounts."""
    gross: int
    """After discounts and tax."""
    quantity: Fraction = Fraction(1)
    starts_at: datetime
    ends_at: datetime
    is_subscription: bool = True
    """Whether it is of a subscription item, and not a fee of its own."""
    is_proration: bool = False
    gives_back: bool = False
    """Whether it gives unused time back."""
    is_shown_after_discounts: bool = False
    """Whether a discount is in force, and the line shows its amount after it only."""
    subscription_item: str | None = None
    price: Price = Price()
    credited_invoice: str | None = None
    credited_lines: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class SaleItem:
    """One item of what was sold once; the amount is before discounts and tax, in minor units."""

    id: str
    price: Price
    quantity: Fraction
    amount: int
    currency: str


@attrs.frozen(kw_only=True)
class SaleReport:
    """What a checkout, a paid invoice, or a payment alone tells of a sale."""

    purchase_id: PurchaseId
    session_id: str | None = None
    links: frozenset[Link]
    mode: PlanMode
    facts: Purchase
    """The payment's status and time; the order itself is known only once it is admitted."""
    subtotal: Money
    """What the customer was asked for before discounts and tax, in the currency of the price."""
    paid: Money
    """What the customer pays in all, tax included."""
    attribution: Attribution
    subscription_id: SubscriptionId | None = None
    """The subscription whose invoice this is; it names the owner where the invoice does not."""
    sold_at: datetime | None = None
    """When the checkout began, which every report of it says alike; None for an invoice."""
    is_over: bool = False
    """Whether no money will come of it any more: it expired, or its payment failed."""
    is_complete: bool = True
    """Whether all of what was sold is told: an invoice shows its first lines only, a payment not what it pays."""
    items: tuple[SaleItem, ...] | None = None
    """What was sold once, item by item; None where the price alone is told."""
    rank: OrderRank = OrderRank.SESSION
    """Whether another teller of the same payment knows better what was ordered."""
    lines: tuple[InvoiceLine, ...] | None = None
    """The lines of a subscription's invoice; None for what is sold once."""
    issued_at: datetime | None = None
    """When the invoice was made."""
    subscription_state: SubscriptionState | None = None
    """How the subscription stands, where that was asked for with the sale."""


@attrs.frozen(kw_only=True)
class SubscriptionReport:
    """What is told of a subscription: who subscribed to what, how it stands, or both."""

    subscription_id: SubscriptionId
    attribution: Attribution
    state: SubscriptionState | None = None
    session_id: str | None = None
    occurred_at: datetime


@attrs.frozen(kw_only=True)
class PaymentReport:
    """What is told of a payment apart from its sale: refunds, disputes, and what belongs together."""

    purchase_id: PurchaseId
    """Where the facts wait while nobody knows the purchase."""
    links: frozenset[Link]
    facts: Purchase = Purchase()
    ours: bool | None = None
    """Whether the payment is one of ours; None where the report does not show it."""


@attrs.frozen
class Irrelevant:
    """Nothing that concerns credits: another application's payment, or an event type we do not use."""

    reason: str


@attrs.frozen
class Unreadable:
    """An event that should concern us, in a shape that can't be read: kept whole until it can."""

    reason: str


ProviderReport = SaleReport | SubscriptionReport | PaymentReport | Irrelevant | Unreadable


@attrs.frozen
class Delivery:
    """One verified delivery: the event, and what it tells."""

    event: InboxEvent
    report: ProviderReport
