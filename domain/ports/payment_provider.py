"""The payment provider: its deliveries, its checkouts and invoices, and what it knows of payments."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

import attrs

from domain.payments.reports import Delivery, PaymentReport, Price, ProviderReport, SaleReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId
from domain.values.accounts import UserId
from domain.values.plans import Plan


@attrs.frozen
class PaymentsUnavailable(Exception):
    """The payment provider could not be reached, or refused what we sent."""

    cause: str


@attrs.frozen
class PaymentsRefused(Exception):
    """The payment provider refuses this request for good: repeating it changes nothing."""

    cause: str


@attrs.frozen
class CheckoutDiffers(Exception):
    """The idempotency key opened a session before, for a request of other content."""


@attrs.frozen
class InvalidSignature(Exception):
    """A delivery whose signature is missing, wrong, or outside the tolerated time."""

    reason: str


@attrs.frozen
class InvalidBody(Exception):
    """A delivery with a good signature whose body is no event that can be kept."""

    reason: str


@attrs.frozen(kw_only=True)
class CheckoutRequest:
    """One customer's wish to buy one plan."""

    user_id: UserId
    email: str | None
    plan: Plan
    idempotency_key: str


@attrs.frozen(kw_only=True)
class Checkout:
    """A checkout session as the provider has it now; `report` is what it tells of its sale."""

    session_id: str
    url: str | None
    status: str
    report: ProviderReport
    invoice_report: ProviderReport | None = None
    """What the first invoice of a subscription tells, once there is one."""


class Checkouts(Protocol):
    """Hosted checkout sessions. Every method raises :class:`PaymentsUnavailable`."""

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key gives the same session.

        :raises CheckoutDiffers: if the key was used with other content, such as another email.
        """
        ...

    async def retrieve(self, session_id: str) -> Checkout | None:
        """Return the session, or None when there is none of that id."""
        ...


class Payments(Protocol):
    """What the provider knows of a payment, asked once where a report does not say enough.

    Every method raises :class:`PaymentsUnavailable`.
    """

    async def look_up(self, news: PaymentReport) -> PaymentReport:
        """Return the news with every link that the provider knows, and whether the payment is ours.

        Where the provider knows no such payment it stays as it is.
        """
        ...

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionReport | None:
        """Return the subscription as it is now, or None where there is none."""
        ...

    async def price(self, price_id: str) -> Price | None:
        """Return all that the provider knows of a price, or None where it has none of that id."""
        ...

    async def complete_sale(self, sale: SaleReport) -> ProviderReport:
        """Return what a sale of which a part was told is in whole; as it is where the provider knows no such sale."""
        ...

    async def sale(self, object_id: str) -> ProviderReport | None:
        """Return what a checkout, a payment or an invoice tells as a sale; None where there is none."""
        ...


class Identity(Protocol):
    """Who we are to the provider. No method fails."""

    async def account_id(self) -> str | None:
        """Return our own account's id, or None where it is not known."""
        ...


class Invoices(Protocol):
    """Invoices that customers get. Raises :class:`PaymentsUnavailable` and :class:`PaymentsRefused`."""

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Send it by email; the same key sends it once."""
        ...


@attrs.frozen(kw_only=True)
class Found:
    """An object of the provider's, and what it tells; as an event that it might have made, to be kept if it waits."""

    object_id: str
    kind: str
    delivery: Delivery


class History(Protocol):
    """What the provider remembers: its events, and the objects that they told of.

    Every method raises :class:`PaymentsUnavailable`.
    """

    def events(self, since: datetime) -> AsyncIterator[Delivery]:
        """Yield every event that concerns us and was made since then."""
        ...

    def objects(self, since: datetime) -> AsyncIterator[Found]:
        """Yield each paid session or invoice, credit note, payment, refund and dispute since then, as it is now."""
        ...

    async def event(self, event_id: str) -> Delivery | None:
        """Return one event, or None where the provider has none of that id, or none any more."""
        ...


class Deliveries(Protocol):
    """Verification and translation of webhook deliveries."""

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """Return the event behind a delivery.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if what was signed is no event.
        """
        ...

    def read(self, body: str) -> Delivery:
        """Return the event of a body that was verified before.

        :raises InvalidBody: if it is no event.
        """
        ...
