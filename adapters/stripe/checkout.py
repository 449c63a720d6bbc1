"""Stripe Checkout: opens hosted sessions, and reads them for the return page."""

from datetime import datetime
from typing import Any

import attrs
import stripe

from adapters.stripe import open_checkouts
from adapters.stripe.checkout_parameters import parameters_of
from adapters.stripe.connection import StripeConnection, dated, is_missing, plain, translated
from adapters.stripe.events import read_event
from domain.payments.purchases import Link
from domain.payments.reports import ProviderReport, SaleReport
from domain.payments.subscriptions import SubscriptionId
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import Checkout, CheckoutDiffers, CheckoutRequest, PaymentsUnavailable, PriceNotSold
from domain.values.customers import CustomerId
from domain.values.plans import PlanMode


class StripeCheckouts:
    """Implements the port Checkouts."""

    def __init__(self, connection: StripeConnection) -> None:
        self._client = connection.client

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key returns the same session.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        :raises CheckoutDiffers: if the key was used with different parameters, such as another email.
        :raises CustomerMissing: if Stripe has no such customer any more.
        :raises PriceNotSold: if Stripe does not sell the price that is named: it is archived, or gone.
        """
        parameters = parameters_of(request)
        with translated():
            try:
                answer = await self._client.v1.checkout.sessions.create_async(
                    parameters, {"idempotency_key": request.idempotency_key}
                )
            except stripe.IdempotencyError as error:
                raise CheckoutDiffers from error
            except stripe.InvalidRequestError as error:
                if request.customer_id is not None and is_missing(error) and error.param == "customer":
                    raise CustomerMissing(request.customer_id) from error
                if request.price_id is not None and _is_about_price(error):
                    raise PriceNotSold(request.price_id) from error
                raise
            return _checkout(plain(answer))

    async def retrieve(self, session_id: str) -> Checkout | None:
        """Return the session, or None if there is none with that id.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        shown = {"expand": ["invoice", "payment_intent.latest_charge"]}
        found = await dated(self._client.v1.checkout.sessions.retrieve_async, session_id, shown)
        return _checkout(*found) if found else None

    async def close_earlier(self, session_id: str, customer_id: CustomerId) -> tuple[SubscriptionId, ...]:
        """Close the customer's open checkouts of subscriptions that began before this one.

        Return the subscriptions of those that were completed within the last day.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects a request.
        """
        return await open_checkouts.close_earlier(self._client.v1.checkout.sessions, session_id, customer_id)

    async def close(self, session_id: str) -> None:
        """Close the session, so that nobody can pay it any more; one that is no longer open stays as it is.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        await open_checkouts.close(self._client.v1.checkout.sessions, session_id)


def _is_about_price(error: stripe.InvalidRequestError) -> bool:
    return (error.param or "").startswith("line_items") or "price" in (error.user_message or "").lower()


def _checkout(session: dict[str, Any], moment: datetime | None = None) -> Checkout:
    session_id, status, url, secret = (session.get(key) for key in ("id", "status", "url", "client_secret"))
    if not isinstance(session_id, str) or not isinstance(status, str):
        raise PaymentsUnavailable("the response is not a checkout session")
    if not isinstance(url, str | None) or not isinstance(secret, str | None):
        raise PaymentsUnavailable("the response is not a checkout session")
    report = read_event("checkout.session.completed", session, moment, retrieved=True)
    customer = session.get("customer")
    return Checkout(
        session_id=session_id,
        url=url,
        status=status,
        report=report,
        invoice_report=_invoice_report(session, session_id),
        client_secret=secret,
        customer_id=CustomerId(customer) if isinstance(customer, str) else None,
    )


def _invoice_report(session: dict[str, Any], session_id: str) -> ProviderReport | None:
    """Return the sale report of a subscription's first invoice, which brings the credits of the first period."""
    invoice = session.get("invoice")
    if session.get("mode") != PlanMode.SUBSCRIPTION or not isinstance(invoice, dict):
        return None
    report = read_event("invoice.paid", invoice, None, retrieved=True)
    if not isinstance(report, SaleReport):
        return None
    return attrs.evolve(report, session_id=session_id, links=report.links | {Link(f"session:{session_id}")})
