"""Looks payments and subscriptions up at Stripe, once per report, if an event is incomplete."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import attrs
import stripe

from adapters.stripe.connection import (
    PAGE,
    Retriever,
    StripeConnection,
    dated,
    is_missing,
    pages,
    plain,
    retrieved,
    translated,
)
from adapters.stripe.events import read_event
from adapters.stripe.followed_links import FollowedLinks
from adapters.stripe.objects.fields import UnreadableField
from adapters.stripe.objects.items import read_items
from adapters.stripe.objects.payment_intents import only_pays
from adapters.stripe.objects.prices import read_price
from adapters.stripe.objects.subscriptions import read_subscription
from domain.payments.purchases import OrderRank
from domain.payments.reports import (
    Attribution,
    Irrelevant,
    PaymentReport,
    Price,
    ProviderReport,
    SaleItem,
    SaleReport,
    SubscriptionReport,
)
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import PaymentsUnavailable

ANSWER_SECONDS = 5
"""The timeout in seconds for all requests of one look-up: Stripe waits for our response meanwhile."""

_PAID_SESSION = {"expand": ["payment_intent.latest_charge"]}

MAX_PRICES = 10_000
"""The number of prices to cache: their amounts and intervals never change at Stripe."""


class StripeLookup:
    """Implements the port Payments."""

    def __init__(self, connection: StripeConnection, *, seconds: float = ANSWER_SECONDS) -> None:
        self._v1 = connection.client.v1
        self._seconds = seconds
        self._prices: dict[str, Price] = {}

    async def look_up(self, news: PaymentReport) -> PaymentReport:
        """Return the report with every link that Stripe knows, and whether the payment is ours.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        known = FollowedLinks(set(news.links))
        async with self._answered():
            for charge_id in known.ids("charge"):
                known.add_charge(await self._retrieve(self._v1.charges.retrieve_async, charge_id))
            for intent_id in known.ids("payment_intent"):
                await self._intent(known, intent_id)
            for invoice_id in known.ids("invoice"):
                await self._invoice(known, invoice_id)
        if not known.found:
            return news
        return attrs.evolve(news, links=frozenset(known.links), ours=known.ours)

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionReport | None:
        """Return the subscription as it is now, or None if there is none.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        async with self._answered():
            return await self._subscription(subscription_id)

    @contextlib.asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """Run the requests inside the block with a timeout, and translate unreadable responses into errors."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as late:
            raise PaymentsUnavailable(f"no answer within {self._seconds:g} seconds") from late
        except UnreadableField as unreadable:
            raise PaymentsUnavailable(f"unreadable response: {unreadable.reason}") from unreadable

    async def _subscription(self, subscription_id: str) -> SubscriptionReport | None:
        found = await dated(self._v1.subscriptions.retrieve_async, subscription_id)
        report = read_subscription(*found) if found else None
        if not isinstance(report, SubscriptionReport):
            return None
        if not report.attribution.is_anonymous:
            return report
        return attrs.evolve(report, attribution=await self._attribution_of_session(report))

    async def price(self, price_id: str) -> Price | None:
        """Return a price with its metadata, or None if Stripe has none with that id; each is fetched once.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        if price_id not in self._prices:
            async with self._answered():
                found = await self._retrieve(self._v1.prices.retrieve_async, price_id)
                if not found:
                    return None
                self._prices[price_id] = read_price(found)
            while len(self._prices) > MAX_PRICES:
                del self._prices[next(iter(self._prices))]
        return self._prices.get(price_id)

    async def complete_sale(self, sale: SaleReport) -> ProviderReport:
        """Return an incomplete sale completed by Stripe.

        A checkout gets its items, an invoice all of its lines and its payment, and a payment alone the session or
        invoice that it pays, if there is one.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        async with self._answered():
            if sale.rank is OrderRank.INTENT:
                return await self._whole_payment(sale)
            if sale.session_id is not None:
                return attrs.evolve(sale, items=await self._items(sale.session_id), is_complete=True)
            invoice = await self._whole_invoice(sale.purchase_id)
            return read_event("invoice.paid", invoice, None, claimed=sale.attribution.confirmed) if invoice else sale

    async def sale(self, object_id: str) -> ProviderReport | None:
        """Return the sale report of a session, payment intent or invoice, whatever its metadata; None if there is none.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        found: tuple[Mapping[str, Any], datetime | None] | None
        async with self._answered():
            match object_id.partition("_")[0]:
                case "cs":
                    kind, found = "checkout.session.completed", await self._session(object_id)
                case "pi":
                    kind, charged = "payment_intent.succeeded", {"expand": ["latest_charge"]}
                    found = await dated(self._v1.payment_intents.retrieve_async, object_id, charged)
                case "in":
                    invoice = await self._whole_invoice(object_id)
                    kind, found = "invoice.paid", (invoice, None) if invoice else None
                case _:
                    return None
        return read_event(kind, *found, retrieved=True, claimed=True) if found else None

    async def _whole_payment(self, sale: SaleReport) -> ProviderReport:
        known = FollowedLinks(set(sale.links))
        await self._intent(known, sale.purchase_id)
        if not known.found:
            return sale
        sessions, invoices = known.ids("session"), known.ids("invoice")
        if not sessions and not invoices and not known.pays_invoices:
            return attrs.evolve(sale, links=frozenset(known.links), is_complete=True)
        ordered: SaleReport | None = None
        if sessions:
            session = await self._retrieve(self._v1.checkout.sessions.retrieve_async, sessions[0], _PAID_SESSION)
            ordered = _named_by(sale, "checkout.session.completed", session)
        elif invoices and sale.attribution.confirmed:
            ordered = _named_by(sale, "invoice.paid", await self._whole_invoice(invoices[0]))
        if ordered is None:
            return only_pays(sale, frozenset(known.links))
        return attrs.evolve(ordered, links=ordered.links | known.links)

    async def _session(self, session_id: str) -> tuple[Mapping[str, Any], datetime] | None:
        return await dated(self._v1.checkout.sessions.retrieve_async, session_id, _PAID_SESSION)

    async def _items(self, session_id: str) -> tuple[SaleItem, ...]:
        """Return the items of a session; empty if Stripe has no such session."""
        with translated():
            try:
                items = await self._v1.checkout.sessions.line_items.list_async(session_id, {"limit": PAGE})
                return read_items([plain(item) async for item in items.auto_paging_iter()])
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return ()
                raise

    async def _whole_invoice(self, invoice_id: str) -> Mapping[str, Any]:
        """Return the invoice with all of its lines and payments; empty if there is none."""
        invoice = await self._retrieve(self._v1.invoices.retrieve_async, invoice_id, {"expand": ["payments"]})
        if not invoice:
            return {}
        lines = pages(partial(self._v1.invoices.line_items.list_async, invoice_id), {})
        return {**invoice, "lines": {"data": [line async for line in lines]}}

    async def _attribution_of_session(self, news: SubscriptionReport) -> Attribution:
        """Return the attribution from the session's own metadata: a session created elsewhere may not copy it."""
        with translated():
            sessions = await self._v1.checkout.sessions.list_async({"subscription": news.subscription_id, "limit": 1})
        for session in map(plain, sessions.data):
            report = read_event("checkout.session.completed", session, news.occurred_at, retrieved=True)
            if isinstance(report, SubscriptionReport):
                return report.attribution
        return news.attribution

    async def _intent(self, known: FollowedLinks, intent_id: str) -> None:
        intent = await self._retrieve(self._v1.payment_intents.retrieve_async, intent_id)
        if not intent:
            return
        with translated():
            sessions = await self._v1.checkout.sessions.list_async({"payment_intent": intent_id, "limit": 1})
            payments = await self._v1.invoice_payments.list_async(
                {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 10}
            )
        known.add_intent(intent, [plain(one) for one in sessions.data], [plain(one) for one in payments.data])

    async def _invoice(self, known: FollowedLinks, invoice_id: str) -> None:
        invoice = await self._retrieve(self._v1.invoices.retrieve_async, invoice_id, {"expand": ["payments"]})
        if not invoice:
            return
        known.note(invoice)
        report = read_event("invoice.paid", invoice, None, retrieved=True)
        if isinstance(report, PaymentReport | SaleReport):
            known.links |= report.links
        if isinstance(report, SaleReport) and not report.attribution.is_anonymous:
            known.ours = True
        elif isinstance(report, SaleReport) and report.subscription_id is not None:
            subscription = await self._subscription(report.subscription_id)
            known.ours |= subscription is not None and not subscription.attribution.is_anonymous

    async def _retrieve(self, retrieve: Retriever, id_: str, parameters: Any = None) -> Mapping[str, Any]:
        """Return the object, empty where Stripe has none of that id."""
        return await retrieved(retrieve, id_, parameters) or {}


def _named_by(payment: SaleReport, kind: str, ordered: Mapping[str, Any]) -> SaleReport | None:
    """Return the sale of a session or invoice; if it is anonymous, with the attribution of its payment."""
    report = read_event(kind, ordered, None, retrieved=True)
    if not (isinstance(report, Irrelevant) or payment.attribution.confirmed):
        return None
    report = read_event(kind, ordered, None, retrieved=True, claimed=True)
    if not isinstance(report, SaleReport):
        return None
    return attrs.evolve(report, attribution=payment.attribution, facts=payment.facts)
