"""Stripe's objects as its API shows them today, as far as a checkout needs them."""

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

API_VERSION = "2026-10-28.endive"


def checkout_session(session_id: str, *, created: int, url: str | None, mode: str, **fields: Any) -> Object:
    """Return a fresh session, with what is told of it; the payment intent is made when the customer pays."""
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": None,
        "client_reference_id": None,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": created,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": None,
        "customer_account": None,
        "customer_creation": "if_required" if mode == "payment" else None,
        "customer_details": None,
        "customer_email": None,
        "discounts": [],
        "expires_at": created + 24 * 3600,
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": None,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required" if mode == "payment" else "always",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "presentment_details": None,
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": url,
        "wallet_options": None,
        **fields,
    }


def line_item(
    item_id: str, price: Object, quantity: int, *, limits: tuple[int, int] | None = None, **amounts: int
) -> Object:
    """Return what a session sells at one price, so many times, with its amounts and the limits of the quantity."""
    adjustable = {"enabled": True, "minimum": limits[0], "maximum": limits[1]} if limits else None
    return {
        "id": item_id,
        "object": "item",
        "adjustable_quantity": adjustable,
        **amounts,
        "currency": price["currency"],
        "description": None,
        "price": dict(price),
        "quantity": quantity,
    }


def customer_details(email: str | None) -> Object:
    """Return what the customer said of themselves on the page."""
    return {
        "address": {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None},
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def payment_intent(
    intent_id: str, session: Object, *, created: int, metadata: Mapping[str, str], charge_id: str | None
) -> Object:
    """Return the payment of a session: succeeded if it has a charge, else still on its way."""
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_received": session["amount_total"] if charge_id else 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "created": created,
        "currency": session["currency"],
        "customer": session.get("customer"),
        "description": None,
        "last_payment_error": None,
        "latest_charge": charge_id,
        "livemode": False,
        "metadata": dict(metadata),
        "next_action": None,
        "payment_method": None,
        "payment_method_types": list(session["payment_method_types"]),
        "processing": None,
        "receipt_email": session["customer_email"],
        "status": "succeeded" if charge_id else "processing",
    }


def payment_method(method_id: str, kind: str, details: Object, *, created: int, **fields: Any) -> Object:
    """Return a card, or another way to pay, with its details."""
    return {
        "id": method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "created": created,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: details,
        **fields,
    }


def card(brand: str, digits: str) -> Object:
    """Return what a card shows of itself."""
    return {"brand": brand, "country": "US", "exp_month": 12, "exp_year": 2040, "funding": "credit", "last4": digits}


def customer(customer_id: str, *, created: int, **fields: Any) -> Object:
    """Return a customer; a balance below zero is what we owe them."""
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        **fields,
    }


def listed(data: list[Object], url: str, *, has_more: bool = False) -> Object:
    """Return an API list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def event(event_id: str, kind: str, subject: Object, *, created: int, api_version: str = API_VERSION) -> Object:
    """Return an event that reports an object as it is now."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": api_version,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def webhook_endpoint(endpoint_id: str, *, created: int, url: str, events: list[str], api_version: str | None) -> Object:
    """Return an endpoint that wants events of these types."""
    return {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": None,
        "created": created,
        "description": None,
        "enabled_events": events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
