"""Stripe's objects as its API shows them today, as far as a checkout needs them."""

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

API_VERSION = "2026-10-28.endive"


def checkout_session(
    session_id: str, *, created: int, url: str, parameters: Mapping[str, Any], subtotal: int, currency: str
) -> Object:
    """A fresh session; the payment intent is made when the customer pays."""
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": subtotal,
        "amount_total": subtotal,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": parameters.get("cancel_url"),
        "client_reference_id": parameters.get("client_reference_id"),
        "client_secret": None,
        "consent": None,
        "created": created,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "customer": None,
        "customer_creation": "if_required",
        "customer_details": None,
        "customer_email": parameters.get("customer_email"),
        "discounts": [],
        "expires_at": created + 24 * 3600,
        "invoice": None,
        "invoice_creation": {"enabled": parameters.get("invoice_creation", {}).get("enabled") == "true"},
        "livemode": False,
        "locale": None,
        "metadata": dict(parameters.get("metadata", {})),
        "mode": parameters["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "presentment_details": None,
        "recovered_from": None,
        "setup_intent": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": parameters.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": url,
        "wallet_options": None,
    }


def payment_intent(intent_id: str, session: Object, *, metadata: Mapping[str, str], status: str) -> Object:
    """The payment of a session."""
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_received": session["amount_total"] if status == "succeeded" else 0,
        "created": session["created"],
        "currency": session["currency"],
        "customer": None,
        "livemode": False,
        "metadata": dict(metadata),
        "status": status,
    }


def event(event_id: str, kind: str, subject: Object, *, created: int) -> Object:
    """An event that tells of an object as it is now."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def error(kind: str, message: str, *, code: str | None = None, param: str | None = None) -> Object:
    """An API error."""
    told = {"type": kind, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in told.items() if value is not None}}
