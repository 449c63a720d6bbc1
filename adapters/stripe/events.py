"""Selects the Stripe events that concern credits, and translates each into a report."""

from datetime import datetime

from adapters.stripe.objects.credit_notes import CREDIT_NOTE_EVENTS, read_credit_note
from adapters.stripe.objects.customers import CUSTOMER_EVENTS, read_customer
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.invoices import INVOICE_EVENTS, read_invoice
from adapters.stripe.objects.payment_intents import INTENT_EVENTS, read_payment_intent
from adapters.stripe.objects.payments import (
    CHARGE_EVENTS,
    DISPUTE_EVENTS,
    INVOICE_PAYMENT_EVENTS,
    REFUND_EVENTS,
    read_charge,
    read_dispute,
    read_invoice_payment,
    read_refund,
)
from adapters.stripe.objects.sessions import SALE_EVENTS, read_session
from adapters.stripe.objects.subscriptions import SUBSCRIPTION_EVENTS, read_subscription
from domain.payments.reports import Irrelevant, ProviderReport, Unreadable

CONCERNING = (
    SALE_EVENTS
    | INVOICE_EVENTS
    | INVOICE_PAYMENT_EVENTS
    | INTENT_EVENTS
    | CHARGE_EVENTS
    | REFUND_EVENTS
    | DISPUTE_EVENTS
    | CREDIT_NOTE_EVENTS
    | SUBSCRIPTION_EVENTS
    | CUSTOMER_EVENTS
)
"""Every event type that is read; a webhook endpoint should receive all of them."""


def read_event(  # noqa: PLR0911 - one line for each kind of object
    event_type: str, about: Object, created: datetime | None, *, retrieved: bool = False, claimed: bool = False
) -> ProviderReport:
    """Return an event's report by its object; never raises, whatever the object's structure.

    `retrieved` is for an object that was fetched in place of an event that was never created; `claimed` for one that an
    operator declares to be a sale, whatever its metadata.
    """
    known_type = None if retrieved else event_type
    try:
        if event_type in SALE_EVENTS:
            return read_session(about, created, event_type=known_type, claimed=claimed)
        if event_type in INVOICE_EVENTS:
            return read_invoice(about, created, event_type=known_type, claimed=claimed)
        if event_type in INTENT_EVENTS:
            return read_payment_intent(about, created, event_type=known_type, claimed=claimed)
        if event_type in INVOICE_PAYMENT_EVENTS:
            return read_invoice_payment(about)
        if event_type in CHARGE_EVENTS:
            return read_charge(about)
        if event_type in REFUND_EVENTS:
            return read_refund(about, event_type=known_type)
        if event_type in DISPUTE_EVENTS:
            return read_dispute(about, created, event_type=known_type)
        if event_type in CREDIT_NOTE_EVENTS:
            return read_credit_note(about, event_type=known_type)
        if event_type in SUBSCRIPTION_EVENTS:
            return read_subscription(about, created, event_type=known_type)
        if event_type in CUSTOMER_EVENTS:
            return read_customer(about)
    except UnreadableField as unreadable:
        return Unreadable(unreadable.reason)
    return Irrelevant(f"event type {event_type} is not read")
