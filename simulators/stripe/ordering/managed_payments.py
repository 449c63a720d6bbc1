"""Refuses what managed payments exclude: docs.stripe.com/payments/managed-payments/update-checkout."""

import re
from collections.abc import Mapping
from typing import Any

from simulators.stripe.requests.parameters import mapping, text
from simulators.stripe.requests.refusals import invalid

_HANDLED = (
    "adaptive_pricing",
    "automatic_tax",
    "consent_collection",
    "custom_text",
    "customer_update",
    "invoice_creation",
    "payment_method_collection",
    "payment_method_configuration",
    "payment_method_options",
    "payment_method_types",
    "saved_payment_method_options",
    "shipping_address_collection",
    "shipping_options",
    "tax_id_collection",
)
_HANDLED_WITHIN = {
    "payment_intent_data": ("application_fee_amount", "on_behalf_of", "receipt_email", "shipping", "transfer_data"),
    "subscription_data": ("application_fee_percent", "default_tax_rates", "on_behalf_of", "transfer_data"),
}
_ELIGIBLE = re.compile(r"txcd_(10[0-9]{6}|20060[0-3]58|37071001)")
_INSTEAD = "Pass managed_payments[enabled]=false to disable it for this request."


def refuse_with_managed_payments(parameters: Mapping[str, Any]) -> None:
    """Check that a session may be sold by Stripe as the merchant of record.

    :raises Refusal: if it has a parameter that Stripe decides then, or a product without an eligible tax code.
    """
    for name in _HANDLED:
        if name in parameters:
            raise invalid(f"Unsupported parameter: {name}. Managed Payments handles this parameter. {_INSTEAD}", name)
    for name, fields in _HANDLED_WITHIN.items():
        for field in fields:
            if field in mapping(parameters, name):
                place = f"{name}[{field}]"
                message = f"Unsupported parameter: {place}. Managed Payments handles this parameter. {_INSTEAD}"
                raise invalid(message, place)
    lines = mapping(parameters, "line_items")
    for index in lines:
        product = mapping(mapping(mapping(lines, index), "price_data"), "product_data")
        code = text(product, "tax_code")
        if code is None:
            message = f"Invalid line_items[{index}]: The product's tax code is missing. Product tax code is required"
            raise invalid(f"{message} for managed payments.", f"line_items[{index}]")
        if not _ELIGIBLE.fullmatch(code):
            message = (
                f"Invalid line_items[{index}]: The product's tax code {code} is not eligible for managed payments."
            )
            raise invalid(message, f"line_items[{index}]")
