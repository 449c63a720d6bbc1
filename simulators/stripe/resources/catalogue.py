"""Changes what is for sale at a simulated Stripe account: products and their prices."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.objects import Object
from simulators.stripe.ordering.orders import INTERVALS
from simulators.stripe.requests.parameters import count, currency, mapping, metadata, refuse_unknown, require, text
from simulators.stripe.requests.refusals import invalid
from simulators.stripe.resources.edits import edit, remove

MAX_INTERVALS = 36
_PRODUCT = ("active", "description", "metadata", "name", "url")
_PRICE = ("active", "currency", "metadata", "nickname", "product", "product_data", "recurring", "unit_amount")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make, change or remove a product or a price; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["products"]:
            refuse_unknown(parameters, _PRODUCT)
            return _product(account, parameters)
        case "POST", ["products", wanted]:
            return edit(account, "product", wanted, parameters, texts=("description", "name", "url"))
        case "DELETE", ["products", wanted]:
            return remove(account, "product", wanted)
        case "POST", ["prices"]:
            return _price(account, parameters)
        case "POST", ["prices", wanted]:
            return edit(account, "price", wanted, parameters, texts=("nickname",))
        case _:
            return None


def with_prices(account: StripeAccount, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a checkout session, with each price that is only named by its id written out.

    :raises Refusal: if there is no such price.
    """
    lines = mapping(parameters, "line_items")
    return {
        **parameters,
        "line_items": {index: _written_out(account, mapping(lines, index, "line_items")) for index in lines},
    }


def _written_out(account: StripeAccount, line: Mapping[str, Any]) -> Mapping[str, Any]:
    price_id = text(line, "price")
    if price_id is None:
        return line
    price = account.kept("price", price_id)
    fields = {
        "currency": price["currency"],
        "unit_amount": str(price["unit_amount"]),
        "product_data": {"name": account.kept("product", price["product"])["name"]},
    }
    if price["recurring"]:
        fields["recurring"] = price["recurring"]
    return {**line, "price_data": fields}


def _product(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    require(parameters, "name")
    made = new_product(
        account,
        text(parameters, "name"),
        description=text(parameters, "description"),
        metadata=metadata(parameters),
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
    made = new_price(
        account,
        amount,
        in_currency,
        product=account.kept("product", product_id)["id"],
        recurring=recurs,
        metadata=metadata(parameters),
        nickname=text(parameters, "nickname"),
    )
    account.report("price.created", made)
    return made


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
