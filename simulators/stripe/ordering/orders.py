"""Reads requests for checkout sessions, and refuses invalid ones as Stripe does."""

from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stripe.objects import API_VERSION, Object
from simulators.stripe.ordering.line_options import interval_count_of, limits_of, tax_behavior_of, trial_days_of
from simulators.stripe.ordering.options import PARAMETERS, Options, options
from simulators.stripe.requests.parameters import (
    MAX_AMOUNT,
    address,
    boolean,
    count,
    currency,
    mapping,
    metadata,
    refuse_unknown,
    require,
    text,
    texts,
)
from simulators.stripe.requests.refusals import invalid

MAX_LINES = 100
INTERVALS = ("day", "week", "month", "year")
METHOD_TYPES_LEAVE = "2026-09-30"
"""Versions from here on know no `payment_method_types`: docs.stripe.com/changelog/endive/2026-09-30."""

_PARAMETERS = frozenset(
    {
        "allow_promotion_codes",
        "cancel_url",
        "client_reference_id",
        "customer",
        "customer_email",
        "customer_update",
        "expand",
        "invoice_creation",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "saved_payment_method_options",
        "subscription_data",
        "success_url",
        *PARAMETERS,
    }
)


@attrs.frozen(kw_only=True)
class OrderedItem:
    """An item that is ordered, with its quantity: at a price that is kept, or at one of its own."""

    unit_amount: int
    quantity: int
    product: str
    price: str | None = None
    tax_behavior: str = "unspecified"
    tax_code: str | None = None
    limits: tuple[int, int] | None = None
    """How few and how many the buyer may choose; None: the quantity is fixed."""


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
    customer: str | None = None
    customer_update: tuple[tuple[str, str], ...] = ()
    saved_methods: Object | None = None
    future_usage: str | None = None
    client_reference_id: str | None
    allow_promotion_codes: bool | None
    creates_invoice: bool
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    invoice_metadata: dict[str, str] = attrs.field(factory=dict)
    subscription_metadata: dict[str, str] = attrs.field(factory=dict)
    interval: str = "month"
    interval_count: int = 1
    options: Options = Options()
    trial_days: int = 0
    method_types: tuple[str, ...] = ("card",)
    items: tuple[OrderedItem, ...] = ()
    """What the amount is made of, where that is more than one thing at one price."""


def order(parameters: Mapping[str, Any], *, api_version: str = API_VERSION) -> Order:
    """Return the order that decoded parameters of `POST /v1/checkout/sessions` make.

    :raises Refusal: if Stripe would refuse them.
    """
    has_method_types = api_version[:10] < METHOD_TYPES_LEAVE
    refuse_unknown(parameters, _PARAMETERS | {"payment_method_types"} if has_method_types else _PARAMETERS)
    require(parameters, "mode", "line_items")
    if parameters["mode"] not in ("payment", "subscription"):
        raise invalid("Invalid mode: must be one of payment or subscription", "mode")
    chosen = options(parameters)
    items, in_currency = _priced(mapping(parameters, "line_items"))
    names = [one.product if one.quantity == 1 else f"{one.quantity} of {one.product}" for one in items]
    intent = mapping(parameters, "payment_intent_data")
    subscription = mapping(parameters, "subscription_data")
    invoice = mapping(parameters, "invoice_creation")
    promotion = boolean(parameters, "allow_promotion_codes")
    return Order(
        mode=parameters["mode"],
        amount=sum(one.quantity * one.unit_amount for one in items),
        currency=in_currency,
        product=", ".join(names),
        success_url=address(parameters, "success_url") or "",
        cancel_url=address(parameters, "cancel_url"),
        customer_email=text(parameters, "customer_email"),
        customer=text(parameters, "customer"),
        customer_update=_customer_update(parameters),
        saved_methods=_saved_methods(parameters),
        future_usage=_future_usage(intent),
        client_reference_id=text(parameters, "client_reference_id"),
        allow_promotion_codes=promotion,
        creates_invoice=boolean(invoice, "enabled", "invoice_creation") or False,
        metadata=metadata(parameters, "metadata"),
        intent_metadata=metadata(intent, "metadata", "payment_intent_data"),
        invoice_metadata=metadata(mapping(invoice, "invoice_data", "invoice_creation"), "metadata", "invoice_data"),
        subscription_metadata=metadata(subscription, "metadata", "subscription_data"),
        interval=_interval(parameters),
        interval_count=interval_count_of(parameters),
        options=chosen,
        trial_days=trial_days_of(subscription),
        method_types=tuple(texts(parameters, "payment_method_types")) or ("card",),
        items=items,
    )


def _customer_update(parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what of the customer a checkout may change, each `auto` or `never`."""
    if text(parameters, "customer") and text(parameters, "customer_email"):
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, "customer_email")
    given = mapping(parameters, "customer_update")
    if given and not text(parameters, "customer"):
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
    refuse_unknown(given, ("address", "name", "shipping"))
    for name, value in given.items():
        if value not in ("auto", "never"):
            raise invalid(f"Invalid customer_update[{name}]: must be one of auto or never", f"customer_update[{name}]")
    return tuple((str(name), str(value)) for name, value in sorted(given.items()))


def _future_usage(intent: Mapping[str, Any]) -> str | None:
    """Return whether the card that pays is saved, and for what."""
    given = text(intent, "setup_future_usage", "payment_intent_data")
    if given not in (None, "off_session", "on_session"):
        place = "payment_intent_data[setup_future_usage]"
        raise invalid(f"Invalid {place}: must be one of off_session or on_session", place)
    return given


def _saved_methods(parameters: Mapping[str, Any]) -> Object | None:
    """Return what a checkout does with saved payment methods, as the session shows it."""
    given = mapping(parameters, "saved_payment_method_options")
    refuse_unknown(given, ("allow_redisplay_filters", "payment_method_remove", "payment_method_save"))
    for name in ("payment_method_remove", "payment_method_save"):
        if given.get(name, "disabled") not in ("disabled", "enabled"):
            place = f"saved_payment_method_options[{name}]"
            raise invalid(f"Invalid {place}: must be one of disabled or enabled", place)
    if not given:
        return None
    return {
        "allow_redisplay_filters": texts(given, "allow_redisplay_filters") or ["always"],
        "payment_method_remove": text(given, "payment_method_remove") or "disabled",
        "payment_method_save": text(given, "payment_method_save") or "disabled",
    }


def _interval(parameters: Mapping[str, Any]) -> str:
    if parameters["mode"] != "subscription":
        return "month"
    for line in mapping(parameters, "line_items").values():
        interval = text(mapping(mapping(line, "price_data"), "recurring", "price_data"), "interval", "recurring")
        if interval not in INTERVALS:
            raise invalid("Invalid interval: must be one of day, week, month or year", "line_items")
        return interval
    return "month"


def _priced(lines: Mapping[str, Any]) -> tuple[tuple[OrderedItem, ...], str]:
    if len(lines) > MAX_LINES:
        raise invalid(f"Up to {MAX_LINES} line items", "line_items")
    items, currencies = [], set()
    for index in lines:
        line = mapping(lines, index, "line_items")
        place = f"line_items[{index}]"
        if not line.get("price_data"):
            raise invalid(f"Missing required param: {place}[price_data].", place, code="parameter_missing")
        price = mapping(line, "price_data", place)
        quantity = count(line.get("quantity", "1"), f"{place}[quantity]")
        limits = limits_of(line, quantity, place)
        place += "[price_data]"
        product = mapping(price, "product_data", place)
        items.append(
            OrderedItem(
                unit_amount=count(price.get("unit_amount", ""), f"{place}[unit_amount]"),
                quantity=quantity,
                product=text(product, "name", f"{place}[product_data]") or "Product",
                price=text(line, "price"),
                tax_behavior=tax_behavior_of(price, place),
                tax_code=text(product, "tax_code"),
                limits=limits,
            )
        )
        currencies.add(currency(price, place))
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency", "line_items")
    if sum(one.quantity * one.unit_amount for one in items) > MAX_AMOUNT:
        raise invalid("The total amount is too large", "line_items", code="amount_too_large")
    return tuple(items), currencies.pop()
