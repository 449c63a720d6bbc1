"""Changes what is for sale at a simulated Stripe account: products and their prices."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.objects import Object
from simulators.stripe.ordering.orders import INTERVALS
from simulators.stripe.requests.parameters import (
    boolean,
    count,
    currency,
    mapping,
    merged_metadata,
    metadata,
    refuse_unknown,
    require,
    text,
)
from simulators.stripe.requests.refusals import invalid
from simulators.stripe.resources.edits import remove, report_change
from simulators.stripe.selling.price_books import (
    default_price,
    free_lookup_key,
    refuse_another_of_that_id,
    refuse_to_archive_default,
    refuse_to_delete_priced,
    sellable,
)

MAX_INTERVALS = 36
_PRODUCT = ("active", "description", "id", "metadata", "name", "tax_code", "url")
_PRICE = (
    "active",
    "currency",
    "lookup_key",
    "metadata",
    "nickname",
    "product",
    "product_data",
    "recurring",
    "tax_behavior",
    "transfer_lookup_key",
    "unit_amount",
)
_PRODUCT_CHANGES = ("active", "default_price", "description", "metadata", "name", "tax_code", "url")
_PRODUCT_TEXTS = ("description", "name", "tax_code", "url")
_PRICE_CHANGES = ("active", "lookup_key", "metadata", "nickname", "transfer_lookup_key")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change or remove a product or a price; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["products"]:
            refuse_unknown(parameters, _PRODUCT)
            return _product(account, parameters)
        case "POST", ["products", wanted]:
            return _changed_product(account, wanted, parameters)
        case "DELETE", ["products", wanted]:
            refuse_to_delete_priced(account, wanted)
            return remove(account, "product", wanted)
        case "POST", ["prices"]:
            return _price(account, parameters)
        case "POST", ["prices", wanted]:
            return _changed_price(account, wanted, parameters)
        case _:
            return None


def with_prices(account: StripeAccount, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a checkout session, with each price that is only named by its id written out.

    :raises Refusal: if there is no such price.
    """
    lines = mapping(parameters, "line_items")
    return {
        **parameters,
        "line_items": {index: _written_out(account, lines, index) for index in lines},
    }


def _written_out(account: StripeAccount, lines: Mapping[str, Any], index: str) -> Mapping[str, Any]:
    line = mapping(lines, index, "line_items")
    price_id = text(line, "price")
    if price_id is None:
        return line
    price = sellable(account, price_id, f"line_items[{index}][price]")
    product = account.kept("product", price["product"])
    described = {"name": product["name"]} | ({"tax_code": product["tax_code"]} if product["tax_code"] else {})
    fields = {
        "currency": price["currency"],
        "unit_amount": str(price["unit_amount"]),
        "product_data": described,
    }
    if price["tax_behavior"] != "unspecified":
        fields["tax_behavior"] = price["tax_behavior"]
    if price["recurring"]:
        fields["recurring"] = price["recurring"]
    return {**line, "price_data": fields}


def _product(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    require(parameters, "name")
    product_id = text(parameters, "id")
    if product_id is not None:
        refuse_another_of_that_id(account, product_id)
    made = new_product(
        account,
        text(parameters, "name"),
        **({"id": product_id} if product_id is not None else {}),
        active=boolean(parameters, "active") is not False,
        description=text(parameters, "description"),
        metadata=metadata(parameters),
        tax_code=text(parameters, "tax_code"),
        url=text(parameters, "url"),
    )
    account.report("product.created", made)
    return made


def _price(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PRICE)
    require(parameters, "currency", "unit_amount")
    in_currency, amount = currency(parameters), count(parameters["unit_amount"], "unit_amount")
    recurs = _recurring(parameters)
    product_id = text(parameters, "product")
    if product_id is None:
        require(parameters, "product_data")
        product_id = _product(account, mapping(parameters, "product_data"))["id"]
    account.kept("product", product_id)
    key = free_lookup_key(account, parameters)
    made = new_price(
        account,
        amount,
        in_currency,
        product=product_id,
        recurring=recurs,
        metadata=metadata(parameters),
        nickname=text(parameters, "nickname"),
    )
    made["active"] = boolean(parameters, "active") is not False
    made["lookup_key"] = key
    made["tax_behavior"] = text(parameters, "tax_behavior") or "unspecified"
    account.report("price.created", made)
    return made


def _changed_product(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PRODUCT_CHANGES)
    kept = account.kept("product", wanted)
    after: Object = {name: text(parameters, name) for name in _PRODUCT_TEXTS if name in parameters}
    if "active" in parameters:
        after["active"] = boolean(parameters, "active")
    if "default_price" in parameters:
        price_id = text(parameters, "default_price")
        after["default_price"] = None if price_id is None else default_price(account, wanted, price_id)
    if "metadata" in parameters:
        after["metadata"] = merged_metadata(kept["metadata"], parameters)
    report_change(account, kept, after, reported_as="product.updated")
    return kept


def _changed_price(account: StripeAccount, wanted: str, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PRICE_CHANGES)
    kept = account.kept("price", wanted)
    after: Object = {"nickname": text(parameters, "nickname")} if "nickname" in parameters else {}
    if "active" in parameters:
        after["active"] = boolean(parameters, "active")
        if not after["active"]:
            refuse_to_archive_default(account, kept)
    if "lookup_key" in parameters:
        after["lookup_key"] = free_lookup_key(account, parameters, of=wanted)
    if "metadata" in parameters:
        after["metadata"] = merged_metadata(kept["metadata"], parameters)
    report_change(account, kept, after, reported_as="price.updated")
    return kept


def _recurring(parameters: Mapping[str, Any]) -> Object | None:
    given = mapping(parameters, "recurring")
    if not given:
        return None
    interval = text(given, "interval", "recurring")
    if interval not in INTERVALS:
        raise invalid("Invalid interval: must be one of day, week, month or year", "recurring[interval]")
    intervals = count(given.get("interval_count", "1"), "recurring[interval_count]")
    if not 1 <= intervals <= MAX_INTERVALS:
        raise invalid(f"Invalid integer: must be from 1 to {MAX_INTERVALS}", "recurring[interval_count]")
    return recurring(interval, intervals)
