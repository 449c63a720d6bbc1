"""Reports from the payment provider, translated into the domain's terms."""

from datetime import datetime
from fractions import Fraction

import attrs

from domain.payments.purchases import Link, OrderRank, Purchase, PurchaseId
from domain.payments.subscriptions import SubscriptionId, SubscriptionState
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import PlanMode, Terms


@attrs.frozen(kw_only=True)
class InboxEvent:
    """A verified event as it is stored: its envelope, and the exact signed body."""

    id: str
    type: str
    body: str
    livemode: bool
    account: str | None = None
    """The account that the event names: a connected one, or one of an organization, possibly our own."""
    created: datetime | None = None
    """When it happened, in whole seconds; it does not order events."""
    session_id: str | None = None
    object_id: str | None = None
    """The id of the object that it is about."""


@attrs.frozen(kw_only=True)
class Attribution:
    """The buyer and the plan that a Stripe object's metadata claims, before any of it is checked."""

    user_reference: str | None = None
    email: str | None = None
    plan_id: str | None = None
    terms: Terms | None = None
    """The terms recorded when Credence created the session; None if it was created elsewhere."""
    client_reference: str | None = None
    """The client reference. A buyer can choose it on a payment link, so it only suggests an owner."""
    confirmed: bool = False
    """Whether an operator confirmed the owner, and the plan if they named one."""
    accepts_price: bool = False
    """Whether an operator accepted the price."""

    @property
    def is_anonymous(self) -> bool:
        """Return whether nothing names or suggests an owner."""
        return self.user_reference is None and self.client_reference is None


@attrs.frozen(kw_only=True)
class Price:
    """A Stripe price, as far as a line shows it or a look-up returned it."""

    id: str | None = None
    product_id: str | None = None
    unit_amount: Fraction | None = None
    """The amount in minor units of one unit for one interval; None if unknown or dependent on the quantity."""
    currency: str | None = None
    interval: str | None = None
    interval_count: int = 1
    is_metered: bool = False
    plan_id: str | None = None
    """The plan that its metadata names (`credence_plan`)."""
    credits: int | None = None
    """The credits of one interval that its metadata names (`credence_credits`)."""
    is_complete: bool = False
    """Whether everything that Stripe knows of it is included, such as its metadata."""


@attrs.frozen(kw_only=True)
class InvoiceLine:
    """One line of an invoice; amounts are in minor units of the invoice's currency."""

    id: str
    amount: int
    """The amount before discounts and tax, except prorations that are shown after discounts; negative if it credits."""
    net: int
    """The amount after discounts."""
    gross: int
    """The amount after discounts and tax."""
    quantity: Fraction = Fraction(1)
    starts_at: datetime
    ends_at: datetime
    is_subscription: bool = True
    """Whether it belongs to a subscription item, rather than being a separate fee."""
    is_proration: bool = False
    gives_back: bool = False
    """Whether it returns unused time."""
    is_shown_after_discounts: bool = False
    """Whether a discount applies and the line shows only the discounted amount."""
    subscription_item: str | None = None
    price: Price = Price()
    credited_invoice: str | None = None
    credited_lines: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class SaleItem:
    """One item of a one-time sale; the amount is in minor units, before discounts and tax."""

    id: str
    price: Price
    quantity: Fraction
    amount: int
    currency: str


@attrs.frozen(kw_only=True)
class SaleReport:
    """A report of a sale by a checkout, a paid invoice, or a payment alone; amounts are in minor units."""

    purchase_id: PurchaseId
    session_id: str | None = None
    links: frozenset[Link]
    mode: PlanMode
    facts: Purchase
    """The payment's status and time; the order is known only once it is admitted."""
    subtotal: Money
    """The amount before discounts and tax, in the price's currency."""
    paid: Money
    """The total that the customer pays, including tax."""
    attribution: Attribution
    subscription_id: SubscriptionId | None = None
    """The subscription of this invoice; it names the owner if the invoice does not."""
    sold_at: datetime | None = None
    """When the checkout began, the same in every report of it; None for an invoice."""
    is_over: bool = False
    """Whether no payment will follow: it expired, or its payment failed."""
    is_complete: bool = True
    """Whether everything that was sold is included: an invoice event shows only its first lines, a payment none."""
    items: tuple[SaleItem, ...] | None = None
    """The items of a one-time sale; None if only the price is reported."""
    rank: OrderRank = OrderRank.SESSION
    """Whether another object of the same payment describes the order better."""
    lines: tuple[InvoiceLine, ...] | None = None
    """The lines of a subscription's invoice; None for a one-time sale."""
    issued_at: datetime | None = None
    """When the invoice was created."""
    subscription_state: SubscriptionState | None = None
    """The subscription's state, if it was fetched with the sale."""


@attrs.frozen(kw_only=True)
class SubscriptionReport:
    """A report of a subscription: who subscribed to what, its state, or both."""

    subscription_id: SubscriptionId
    attribution: Attribution
    state: SubscriptionState | None = None
    session_id: str | None = None
    occurred_at: datetime


@attrs.frozen(kw_only=True)
class PaymentReport:
    """A report of a payment apart from its sale: refunds, disputes, and links between objects."""

    purchase_id: PurchaseId
    """The id under which the facts are stored while their purchase is unknown."""
    links: frozenset[Link]
    facts: Purchase = Purchase()
    ours: bool | None = None
    """Whether the payment has our metadata; None if the report does not show it."""


@attrs.frozen
class CustomerDeleted:
    """A report that the provider has a customer no longer whose metadata names a user."""

    customer_id: CustomerId


@attrs.frozen
class Irrelevant:
    """A report without effect on credits: another application's payment, or an event type that is not read."""

    reason: str


@attrs.frozen
class Unreadable:
    """An event of a relevant type with an unknown structure; stored until a version of Credence can read it."""

    reason: str


ProviderReport = SaleReport | SubscriptionReport | PaymentReport | CustomerDeleted | Irrelevant | Unreadable


@attrs.frozen
class Delivery:
    """One verified delivery: the event and its report."""

    event: InboxEvent
    report: ProviderReport
