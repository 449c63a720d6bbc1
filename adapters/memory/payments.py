"""A payment provider in memory, which knows the payments that a test gives it."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

import attrs

from domain.payments.charges import Charge, Paid
from domain.payments.purchases import Link, OrderRank, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import (
    Attribution,
    Delivery,
    InboxEvent,
    PaymentReport,
    Price,
    ProviderReport,
    SaleItem,
    SaleReport,
    SubscriptionReport,
)
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import Found, PaymentsRefused, PaymentsUnavailable
from domain.values.plans import PlanMode


class MemoryPayments:
    """Implements the ports Payments, Identity, Invoices and History in memory; `is_away` makes it unavailable."""

    def __init__(self) -> None:
        self.is_away = False
        self.own_account: str | None = None
        self.sent: dict[str, str] = {}
        """Invoices that were sent, by idempotency key."""
        self._payments: list[tuple[frozenset[Link], bool]] = []
        self._subscriptions: dict[SubscriptionId, SubscriptionReport] = {}
        self._sales: dict[PurchaseId, ProviderReport] = {}
        self._items: dict[str, tuple[SaleItem, ...]] = {}
        self._objects_sold: dict[str, ProviderReport] = {}
        self._prices: dict[str, Price] = {}
        self._deliveries: list[Delivery] = []
        self._objects: dict[str, Found] = {}

    def teach(self, links: Iterable[Link], *, ours: bool = True) -> None:
        """Let a payment be known by all of these links."""
        self._payments.append((frozenset(links), ours))

    def teach_subscription(self, news: SubscriptionReport) -> None:
        """Let a subscription be known."""
        self._subscriptions[news.subscription_id] = news

    def teach_complete(self, sale: SaleReport) -> None:
        """Let all of a sale be known."""
        self._sales[sale.purchase_id] = sale

    def teach_items(self, session_id: str, items: Iterable[SaleItem]) -> None:
        """Let the items of a checkout be known."""
        self._items[session_id] = tuple(items)

    def teach_sale(self, object_id: str, report: ProviderReport) -> None:
        """Let an object be known that a person may say is a sale."""
        self._objects_sold[object_id] = report

    def teach_price(self, price: Price) -> None:
        """Let a price be known by its id."""
        if price.id is not None:
            self._prices[price.id] = price

    def remember(self, *deliveries: Delivery) -> None:
        """Let events have been made."""
        self._deliveries += deliveries

    def have(self, found: Found) -> None:
        """Let an object be as it is now."""
        self._objects[found.object_id] = found

    async def look_up(self, news: PaymentReport) -> PaymentReport:
        """Return the news with every link that is known of the payment, and whether it is ours."""
        self._answer()
        for links, ours in self._payments:
            if links & news.links:
                return attrs.evolve(news, links=news.links | links, ours=ours)
        return news

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionReport | None:
        """Return the subscription, or None where there is none."""
        self._answer()
        return self._subscriptions.get(subscription_id)

    async def price(self, price_id: str) -> Price | None:
        """Return the price, or None where there is none."""
        self._answer()
        return self._prices.get(price_id)

    async def complete_sale(self, sale: SaleReport) -> ProviderReport:
        """Return all of the sale, or the report as it was where the sale is not known."""
        self._answer()
        known = frozenset().union(sale.links, *(links for links, _ in self._payments if links & sale.links))
        if sale.rank is OrderRank.INTENT:
            if any(link.startswith(("session:", "invoice:")) for link in known):
                return PaymentReport(purchase_id=sale.purchase_id, links=known, facts=sale.facts, ours=True)
            return attrs.evolve(sale, links=known, is_complete=True)
        if sale.rank is OrderRank.INVOICE:
            return attrs.evolve(sale, links=known, is_complete=True)
        if sale.session_id is not None and sale.lines is None:
            return attrs.evolve(sale, items=self._items.get(sale.session_id, ()), is_complete=True)
        return self._sales.get(sale.purchase_id, sale)

    async def sale(self, object_id: str) -> ProviderReport | None:
        """Return the object's sale report, or None where the object is not known."""
        self._answer()
        return self._objects_sold.get(object_id)

    async def account_id(self) -> str | None:
        """Return our own account's id, or None where it is not known."""
        return self.own_account

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Send an invoice; the same key sends it once."""
        self._answer()
        if not invoice_id.startswith("in_"):
            raise PaymentsRefused("no such invoice")
        self.sent.setdefault(idempotency_key, invoice_id)

    async def events(self, since: datetime) -> AsyncIterator[Delivery]:
        """Yield every event since then."""
        self._answer()
        for delivery in self._deliveries:
            if delivery.event.created is not None and delivery.event.created >= since:
                yield delivery

    async def objects(self, since: datetime) -> AsyncIterator[Found]:
        """Yield every object since then."""
        self._answer()
        for found in self._objects.values():
            if found.delivery.event.created is not None and found.delivery.event.created >= since:
                yield found

    async def event(self, event_id: str) -> Delivery | None:
        """Return one event, or None."""
        self._answer()
        return next((report for report in self._deliveries if report.event.id == event_id), None)

    def _answer(self) -> None:
        if self.is_away:
            raise PaymentsUnavailable("away")


def paid(intent_id: str, charge: Charge, now: datetime) -> Paid:
    """Return the outcome of a charge that was paid, with its report."""
    event = InboxEvent(
        id=f"reconciled_{intent_id}", type="payment_intent.succeeded", body="{}", livemode=False, object_id=intent_id
    )
    return Paid(intent_id, _sale(intent_id, charge, now), event)


def _sale(intent_id: str, charge: Charge, now: datetime) -> SaleReport:
    attribution = Attribution(user_reference=charge.user_id, plan_id=charge.plan_id, terms=charge.terms)
    return SaleReport(
        purchase_id=PurchaseId(intent_id),
        links=frozenset({Link(f"payment_intent:{intent_id}")}),
        mode=PlanMode.PAYMENT,
        facts=Purchase(payment=PaymentStatus.PAID, paid_at=now),
        subtotal=charge.terms.price,
        paid=charge.terms.price,
        attribution=attribution,
        sold_at=now,
        rank=OrderRank.INTENT,
    )
