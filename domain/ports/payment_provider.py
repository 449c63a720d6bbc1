"""The payment provider: webhook deliveries, checkouts, invoices, and look-ups of payments."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

import attrs

from domain.payments.reports import Delivery, PaymentReport, Price, ProviderReport, SaleReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.plans import Plan, Terms
from domain.values.return_pages import ReturnPages


@attrs.frozen
class PaymentsUnavailable(Exception):
    """The payment provider could not be reached or rejected the request."""

    cause: str


@attrs.frozen
class PaymentsRefused(Exception):
    """The payment provider rejects this request permanently; retrying is useless."""

    cause: str


@attrs.frozen
class CheckoutDiffers(Exception):
    """The idempotency key was already used for a session with different parameters."""


@attrs.frozen
class PriceNotSold(Exception):
    """The provider does not sell the price that a checkout names: it is archived, or gone."""

    price_id: str


@attrs.frozen
class InvalidSignature(Exception):
    """A delivery whose signature is missing, wrong, or outside the tolerated age."""

    reason: str


@attrs.frozen
class InvalidBody(Exception):
    """A delivery with a valid signature whose body is not an event that can be stored."""

    reason: str


@attrs.frozen(kw_only=True)
class CheckoutRequest:
    """A user's request to buy a plan."""

    user_id: UserId
    email: str | None
    plan: Plan
    quoted: Terms | None = None
    """The terms that the buyer was quoted for one, if they are not the plan's own: a currency, or a chosen amount."""
    quantity: int = 1
    trial_days: int = 0
    idempotency_key: str
    pages: ReturnPages
    customer_id: CustomerId | None = None
    """The account's customer; without it, the provider makes one of its own or none."""
    price_id: str | None = None
    """The pushed price that sells the plan; without one the terms are given with the request."""

    @property
    def terms(self) -> Terms:
        """Return the terms on which one is sold."""
        return self.quoted or self.plan.terms


@attrs.frozen(kw_only=True)
class Checkout:
    """A checkout session as it is now at the provider; `report` is the report of its sale."""

    session_id: str
    url: str | None
    status: str
    report: ProviderReport
    invoice_report: ProviderReport | None = None
    """The report of the subscription's first invoice, once there is one."""
    client_secret: str | None = attrs.field(default=None, repr=False)
    """The secret with which one's own page shows the checkout; None if it is on the provider's page."""
    customer_id: CustomerId | None = None
    """The provider's customer for whom it was opened, if it was opened for one."""


class Checkouts(Protocol):
    """Checkout sessions. Every method raises :class:`PaymentsUnavailable`."""

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key returns the same session.

        :raises CheckoutDiffers: if the key was used with different parameters, such as another email.
        :raises CustomerMissing: if the provider has no such customer any more.
        :raises PriceNotSold: if the provider does not sell the price that is named.
        """
        ...

    async def retrieve(self, session_id: str) -> Checkout | None:
        """Return the session, or None if there is none with that id."""
        ...

    async def close_earlier(self, session_id: str, customer_id: CustomerId) -> tuple[SubscriptionId, ...]:
        """Close the customer's open checkouts of subscriptions that began before this one.

        Return the subscriptions of those that were completed within the last day.
        """
        ...

    async def close(self, session_id: str) -> None:
        """Close the session, so that nobody can pay it any more; one that is no longer open stays as it is."""
        ...


class Payments(Protocol):
    """Look-ups at the provider, used at most once per report if the report is incomplete.

    Every method raises :class:`PaymentsUnavailable`.
    """

    async def look_up(self, news: PaymentReport) -> PaymentReport:
        """Return the report with every link that the provider knows, and whether the payment is ours.

        If the provider knows no such payment, the report is returned unchanged.
        """
        ...

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionReport | None:
        """Return the subscription as it is now, or None if there is none."""
        ...

    async def price(self, price_id: str) -> Price | None:
        """Return the price with its metadata, or None if there is none with that id."""
        ...

    async def complete_sale(self, sale: SaleReport) -> ProviderReport:
        """Return the sale with all of its items or lines; unchanged if the provider knows no such sale."""
        ...

    async def sale(self, object_id: str) -> ProviderReport | None:
        """Return the sale report of a checkout, payment or invoice, by its id; None if there is no such object."""
        ...


class Identity(Protocol):
    """Our own account at the provider. No method raises."""

    async def account_id(self) -> str | None:
        """Return our own account's id, or None if it is unknown."""
        ...


class Invoices(Protocol):
    """Sends invoices to customers. Raises :class:`PaymentsUnavailable` and :class:`PaymentsRefused`."""

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Send the invoice by email; repeating it with the same key has no further effect."""
        ...


@attrs.frozen(kw_only=True)
class Found:
    """One of the provider's objects and its report, wrapped in an event so that the inbox can store it."""

    object_id: str
    kind: str
    delivery: Delivery


class History(Protocol):
    """The provider's history: its events, and the objects that they are about.

    Every method raises :class:`PaymentsUnavailable`.
    """

    def events(self, since: datetime) -> AsyncIterator[Delivery]:
        """Yield every event of a type that we read, created since then."""
        ...

    def objects(self, since: datetime) -> AsyncIterator[Found]:
        """Yield each paid session and invoice, credit note, payment, refund and dispute since then, as it is now."""
        ...

    async def event(self, event_id: str) -> Delivery | None:
        """Return the event, or None if the provider has none with that id. Stripe keeps events for 30 days."""
        ...


class Deliveries(Protocol):
    """Verification and translation of webhook deliveries."""

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """Verify a delivery and return its event.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if the signed body is not an event.
        """
        ...

    def read(self, body: str) -> Delivery:
        """Return the event in a body that was verified before.

        :raises InvalidBody: if it is not an event.
        """
        ...
