"""Stripe Checkout: hosted sessions whose metadata says who buys what, so that webhooks need no state on our side."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import attrs
import stripe

from adapters.stripe.connection import StripeConnection, dated, is_missing, plain, translated
from adapters.stripe.events import read_event
from adapters.stripe.objects.fields import EMAIL_KEY, PLAN_KEY, SESSION_KEY, TERMS_KEY, USER_ID_KEY, terms_text
from domain.payments.purchases import Link
from domain.payments.reports import ProviderReport, SaleReport
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import Checkout, CheckoutDiffers, CheckoutRequest, PaymentsUnavailable
from domain.values.plans import PlanMode

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


class StripeCheckouts:
    """Implements the port Checkouts."""

    def __init__(self, connection: StripeConnection) -> None:
        self._client = connection.client

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key returns the same session.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        :raises CheckoutDiffers: if the key was used with different parameters, such as another email.
        :raises CustomerMissing: if Stripe has no such customer any more.
        """
        parameters = _parameters(request)
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
                raise
            return _checkout(plain(answer))

    async def retrieve(self, session_id: str) -> Checkout | None:
        """Return the session, or None if there is none with that id.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        shown = {"expand": ["invoice", "payment_intent.latest_charge"]}
        found = await dated(self._client.v1.checkout.sessions.retrieve_async, session_id, shown)
        return _checkout(*found) if found else None


def _parameters(request: CheckoutRequest) -> "SessionCreateParams":
    plan = request.plan
    metadata = {USER_ID_KEY: request.user_id, PLAN_KEY: plan.id, TERMS_KEY: terms_text(plan.terms)}
    if request.email:
        metadata[EMAIL_KEY] = request.email
    price: dict[str, Any] = {
        "currency": plan.terms.price.currency,
        "unit_amount": plan.terms.price.amount,
        "product_data": {"name": plan.name},
    }
    parameters: dict[str, Any] = {
        "mode": plan.mode.value,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": request.pages.success_url,
        "cancel_url": request.pages.cancel_url,
        "client_reference_id": request.user_id,
        "metadata": metadata,
    }
    if request.customer_id is not None:
        # Addresses and names that buyers enter are kept for renewals and invoices; tax needs them there.
        parameters |= {"customer": request.customer_id, "customer_update": {"address": "auto", "name": "auto"}}
        if plan.mode is PlanMode.PAYMENT:  # a subscription always keeps the card
            parameters["saved_payment_method_options"] = {"payment_method_save": "enabled"}
    elif request.email:
        parameters["customer_email"] = request.email
    if plan.mode is PlanMode.PAYMENT:
        made = {**metadata, SESSION_KEY: "yes"}
        parameters["payment_intent_data"] = {"metadata": made}
        if plan.saves_card and request.customer_id is not None:
            parameters["payment_intent_data"]["setup_future_usage"] = "off_session"
        parameters["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": made}}
    else:
        price["recurring"] = {"interval": plan.interval}
        parameters["subscription_data"] = {"metadata": metadata}
    return cast("SessionCreateParams", parameters)


def _checkout(session: dict[str, Any], moment: datetime | None = None) -> Checkout:
    session_id, status, url = session.get("id"), session.get("status"), session.get("url")
    if not isinstance(session_id, str) or not isinstance(status, str) or not isinstance(url, str | None):
        raise PaymentsUnavailable("the response is not a checkout session")
    report = read_event("checkout.session.completed", session, moment, retrieved=True)
    return Checkout(
        session_id=session_id,
        url=url,
        status=status,
        report=report,
        invoice_report=_invoice_report(session, session_id),
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
