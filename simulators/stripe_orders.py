"""What a request for a checkout session must say, and how Stripe refuses it where it does not."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from simulators.stripe_refusals import invalid

_CURRENCIES = """
aed ars aud bgn bhd brl cad chf clp cny cop crc czk dkk egp eur gbp hkd huf idr ils inr isk jod jpy kes
krw kwd mad mxn myr ngn nok nzd omr pen php pkr pln qar ron rsd sar sek sgd thb tnd try twd uah usd uyu
vnd zar
"""
CURRENCIES = frozenset(_CURRENCIES.split())
MAX_AMOUNT = 99_999_999
MAX_LINES = 100
INTERVALS = ("day", "week", "month", "year")
MAX_METADATA = {"keys": 50, "key": 40, "value": 500}

_PARAMETERS = frozenset(
    {
        "allow_promotion_codes",
        "cancel_url",
        "client_reference_id",
        "customer_email",
        "expand",
        "invoice_creation",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "subscription_data",
        "success_url",
        "ui_mode",
    }
)


@attrs.frozen(kw_only=True)
class Order:
    """A checkout that somebody asks for; the amount is in the currency's minor units."""

    mode: str
    amount: int
    currency: str
    product: str
    success_url: str
    cancel_url: str | None
    customer_email: str | None
    client_reference_id: str | None
    allow_promotion_codes: bool | None
    creates_invoice: bool
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    invoice_metadata: dict[str, str] = attrs.field(factory=dict)
    subscription_metadata: dict[str, str] = attrs.field(factory=dict)
    interval: str = "month"
    trial_days: int = 0


def order(parameters: Mapping[str, Any]) -> Order:
    """The order that decoded parameters of `POST /v1/checkout/sessions` make.

    :raises Refusal: if Stripe would refuse them.
    """
    for name in parameters:
        if name not in _PARAMETERS:
            raise invalid(f"Received unknown parameter: {name}", name, code="parameter_unknown")
    for name in ("mode", "success_url", "line_items"):
        if not parameters.get(name):
            raise invalid(f"Missing required param: {name}.", name, code="parameter_missing")
    if parameters["mode"] not in ("payment", "subscription"):
        raise invalid("Invalid mode: must be one of payment or subscription", "mode")
    if parameters.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("Invalid ui_mode: must be hosted_page", "ui_mode")
    amount, currency, product = _priced(_object(parameters, "line_items"))
    intent = _object(parameters, "payment_intent_data")
    subscription = _object(parameters, "subscription_data")
    invoice = _object(parameters, "invoice_creation")
    promotion = _boolean(parameters, "allow_promotion_codes")
    return Order(
        mode=parameters["mode"],
        amount=amount,
        currency=currency,
        product=product,
        success_url=_address(parameters, "success_url") or "",
        cancel_url=_address(parameters, "cancel_url"),
        customer_email=_text(parameters, "customer_email"),
        client_reference_id=_text(parameters, "client_reference_id"),
        allow_promotion_codes=promotion,
        creates_invoice=_boolean(invoice, "enabled", "invoice_creation") or False,
        metadata=_metadata(parameters, "metadata"),
        intent_metadata=_metadata(intent, "metadata", "payment_intent_data"),
        invoice_metadata=_metadata(_object(invoice, "invoice_data", "invoice_creation"), "metadata", "invoice_data"),
        subscription_metadata=_metadata(subscription, "metadata", "subscription_data"),
        interval=_interval(parameters),
        trial_days=_count(subscription.get("trial_period_days", "0"), "subscription_data[trial_period_days]"),
    )


def _interval(parameters: Mapping[str, Any]) -> str:
    if parameters["mode"] != "subscription":
        return "month"
    for line in _object(parameters, "line_items").values():
        interval = _text(_object(_object(line, "price_data"), "recurring", "price_data"), "interval", "recurring")
        if interval not in INTERVALS:
            raise invalid("Invalid interval: must be one of day, week, month or year", "line_items")
        return interval
    return "month"


def _priced(lines: Mapping[str, Any]) -> tuple[int, str, str]:
    if len(lines) > MAX_LINES:
        raise invalid(f"Up to {MAX_LINES} line items", "line_items")
    total, currencies, products = 0, set(), []
    for index in lines:
        line = _object(lines, index, "line_items")
        place = f"line_items[{index}]"
        if not line.get("price_data"):
            raise invalid(f"Missing required param: {place}[price_data].", place, code="parameter_missing")
        price = _object(line, "price_data", place)
        place += "[price_data]"
        currency = str(price.get("currency", "")).lower()
        if currency not in CURRENCIES:
            raise invalid(f"Invalid currency: {currency}.", f"{place}[currency]")
        quantity = _count(line.get("quantity", "1"), f"line_items[{index}][quantity]")
        total += quantity * _count(price.get("unit_amount", ""), f"{place}[unit_amount]")
        name = _text(_object(price, "product_data", place), "name", f"{place}[product_data]") or "Product"
        products.append(name if quantity == 1 else f"{quantity} of {name}")
        currencies.add(currency)
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency", "line_items")
    if total > MAX_AMOUNT:
        raise invalid("The total amount is too large", "line_items", code="amount_too_large")
    return total, currencies.pop(), ", ".join(products)


def _place(name: str, within: str) -> str:
    return f"{within}[{name}]" if within else name


def _object(parameters: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    found = parameters.get(name) or {}
    if not isinstance(found, Mapping):
        raise invalid("Invalid object", _place(name, within))
    return found


def _text(parameters: Mapping[str, Any], name: str, within: str = "") -> str | None:
    found = parameters.get(name)
    if isinstance(found, Mapping):
        raise invalid("Invalid string", _place(name, within))
    return str(found) if found else None


def _boolean(parameters: Mapping[str, Any], name: str, within: str = "") -> bool | None:
    found = _text(parameters, name, within)
    if found not in (None, "true", "false"):
        raise invalid(f"Invalid boolean: {found}", _place(name, within))
    return None if found is None else found == "true"


def _count(told: object, place: str) -> int:
    text = str(told)
    if not (text.isascii() and text.isdecimal()):
        raise invalid(f"Invalid non-negative integer: {text[:40]}", place, code="parameter_invalid_integer")
    if len(text) > len(str(MAX_AMOUNT)):
        raise invalid(f"Must be no greater than {MAX_AMOUNT}", place)
    return int(text)


def _address(parameters: Mapping[str, Any], name: str) -> str | None:
    told = _text(parameters, name)
    if told is None:
        return None
    try:
        parts = urlsplit(told)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or not told.isprintable() or " " in told:
        raise invalid("Not a valid URL", name, code="url_invalid")
    return told


def _metadata(parameters: Mapping[str, Any], name: str, within: str = "") -> dict[str, str]:
    place = _place(name, within)
    # Stripe takes an empty value for "no such key".
    told = {key: value for key, value in _object(parameters, name, within).items() if value != ""}
    if len(told) > MAX_METADATA["keys"]:
        raise invalid(f"You can specify up to {MAX_METADATA['keys']} keys", place)
    for key, value in told.items():
        if not isinstance(value, str):
            raise invalid("Metadata values must be strings", f"{place}[{key}]")
        if len(key) > MAX_METADATA["key"] or len(value) > MAX_METADATA["value"]:
            raise invalid("Metadata keys can have up to 40 characters, and values up to 500", f"{place}[{key[:40]}]")
    return told
