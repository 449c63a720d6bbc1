"""The features of the billing portal: what a configuration may say of each, and what Stripe refuses."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import boolean, mapping, text, texts
from simulators.stripe.requests.refusals import invalid, missing

MAX_PRODUCTS = 10

FEATURES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "customer_update": {"allowed_updates": ("address", "email", "name", "phone", "shipping", "tax_id")},
    "invoice_history": {},
    "payment_method_update": {},
    "subscription_cancel": {
        "mode": ("at_period_end", "immediately"),
        "proration_behavior": ("create_prorations", "none"),
    },
    "subscription_update": {
        "default_allowed_updates": ("price", "promotion_code", "quantity"),
        "proration_behavior": ("always_invoice", "create_prorations", "none"),
        "trial_update_behavior": ("continue_trial", "end_trial"),
    },
}
"""The features, with the values that each of their fields may have."""
_LISTS = ("allowed_updates", "default_allowed_updates")
_CONDITIONS = ("decreasing_item_amount", "shortening_interval")
NEW: Mapping[str, Object] = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
"""The features of a configuration of which nothing is said."""


def feature(account: StripeAccount, name: str, before: Object, given: Mapping[str, Any]) -> Object:
    """Return a feature as the parameters say; what is not given stays as it was.

    :raises Refusal: if Stripe would refuse it.
    """
    place, after = f"features[{name}]", dict(before)
    if "enabled" in given:
        after["enabled"] = boolean(given, "enabled", place) or False
    for field, allowed in FEATURES[name].items():
        if field not in given:
            continue
        several = texts(given, field) if field in _LISTS else [text(given, field, place)]
        if not {*several} <= {*allowed}:
            raise invalid(f"Invalid {place}[{field}]: must be one of {', '.join(allowed)}", f"{place}[{field}]")
        after[field] = several if field in _LISTS else several[0]
    if name == "subscription_update":
        _switching(account, after, given, place)
    return after


def _switching(account: StripeAccount, after: Object, given: Mapping[str, Any], place: str) -> None:
    if "products" in given:
        products = [mapping(mapping(given, "products", place), one) for one in mapping(given, "products", place)]
        if len(products) > MAX_PRODUCTS:
            raise invalid(f"You may only specify up to {MAX_PRODUCTS} products.", f"{place}[products]")
        after["products"] = [_product(account, one, f"{place}[products]") for one in products]
    if "schedule_at_period_end" in given:
        conditions = mapping(mapping(given, "schedule_at_period_end", place), "conditions")
        kinds = [str(one.get("type")) for one in conditions.values()]
        if not {*kinds} <= {*_CONDITIONS}:
            raise invalid(f"Invalid type: must be one of {', '.join(_CONDITIONS)}", f"{place}[schedule_at_period_end]")
        after["schedule_at_period_end"] = {"conditions": [{"type": kind} for kind in kinds]}
    if after["enabled"] and "price" in after["default_allowed_updates"] and not after["products"]:
        raise invalid("You must specify products for customers to switch to.", f"{place}[products]")


def _product(account: StripeAccount, given: Mapping[str, Any], place: str) -> Object:
    wanted, price_ids = text(given, "product", place) or "", texts(given, "prices")
    if not account.has("product", wanted):
        raise missing("product", wanted, param=f"{place}[product]", status=400)
    intervals = set()
    for price_id in price_ids:
        if not account.has("price", price_id):
            raise missing("price", price_id, param=f"{place}[prices]", status=400)
        price = account.kept("price", price_id)
        recurring = price["recurring"]
        if price["product"] != wanted or recurring is None or not price["active"]:
            raise invalid(f"The price {price_id} is not an active recurring price of {wanted}.", f"{place}[prices]")
        interval = (price["currency"], recurring["interval"], recurring["interval_count"])
        if interval in intervals:
            raise invalid(f"Each price of {wanted} must have a unique billing interval.", f"{place}[prices]")
        intervals.add(interval)
    return {
        "adjustable_quantity": {"enabled": False, "maximum": None, "minimum": 1},
        "prices": price_ids,
        "product": wanted,
    }
