"""The rules of products and prices: lookup keys, defaults, what may be archived, and what may be sold."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.books import Books
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import boolean, text, texts
from simulators.stripe.requests.refusals import invalid, missing, refusal

MAX_LOOKUP_KEY = 200
MAX_LOOKUP_KEYS = 10


def free_lookup_key(books: Books, parameters: Mapping[str, Any], *, of: str | None = None) -> str | None:
    """Return the lookup key that a request gives a price, once no other price has it; None if it gives none.

    :raises Refusal: if it is too long, or another price has it and it is not to be transferred.
    """
    key = text(parameters, "lookup_key")
    if key is None:
        return None
    if len(key) > MAX_LOOKUP_KEY:
        raise invalid(f"Invalid string: must be at most {MAX_LOOKUP_KEY} characters", "lookup_key")
    holder = next((one for one in books.all_kept("price") if one["lookup_key"] == key and one["id"] != of), None)
    if holder is not None and not boolean(parameters, "transfer_lookup_key"):
        raise invalid(f"A price (`{holder['id']}`) already uses that lookup key.", "lookup_key")
    if holder is not None:
        holder["lookup_key"] = None
    return key


def refuse_to_archive_default(books: Books, price: Object) -> None:
    """Check that a price is not its product's default.

    :raises Refusal: if it is.
    """
    if books.kept("product", price["product"])["default_price"] == price["id"]:
        raise invalid("This price cannot be archived because it is the default price of its product.", "active")


def refuse_to_delete_priced(books: Books, product_id: str) -> None:
    """Check that a product has no prices.

    :raises Refusal: if it has.
    """
    if any(one["product"] == product_id for one in books.all_kept("price")):
        raise refusal(400, "This product cannot be deleted because it has one or more user-created prices.")


def refuse_another_of_that_id(books: Books, product_id: str) -> None:
    """Check that no product has the id.

    :raises Refusal: if one has.
    """
    if any(one["id"] == product_id for one in books.all_kept("product")):
        raise invalid("Product already exists.", "id", code="resource_already_exists")


def default_price(books: Books, product_id: str, price_id: str) -> str:
    """Return the id of a price that may be the product's default.

    :raises Refusal: if there is none such, or it is archived or of another product.
    """
    price = found_price(books, price_id, "default_price")
    if price["product"] != product_id:
        raise invalid("The price specified does not belong to this product.", "default_price")
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", "default_price")
    return price_id


def sellable(books: Books, price_id: str, place: str) -> Object:
    """Return a price that a checkout may sell.

    :raises Refusal: if there is none such, or it or its product is archived.
    """
    price = found_price(books, price_id, place)
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", place)
    if not books.kept("product", price["product"])["active"]:
        raise invalid("The price specified has an inactive product. This field only accepts active products.", place)
    return price


def found_price(books: Books, price_id: str, place: str) -> Object:
    """Return a price that a parameter names.

    :raises Refusal: if there is none such.
    """
    found = next((one for one in books.all_kept("price") if one["id"] == price_id), None)
    if found is None:
        raise missing("price", price_id, param=place, status=400)
    return found


def chosen(books: Books, kind: str, parameters: Mapping[str, Any]) -> tuple[list[Object], Mapping[str, Any]]:
    """Return the objects that a list of products or prices is made of, and the parameters that are left.

    Stripe lists active prices alone, unless it is asked for the others.

    :raises Refusal: if the parameters cannot be read.
    """
    active = boolean(parameters, "active")
    if active is None and kind == "price":
        active = True
    named = texts(parameters, "lookup_keys") if kind == "price" else texts(parameters, "ids")
    if kind == "price" and len(named) > MAX_LOOKUP_KEYS:
        raise invalid(f"Up to {MAX_LOOKUP_KEYS} lookup keys", "lookup_keys")
    field = "lookup_key" if kind == "price" else "id"
    found = [
        one for one in books.all_kept(kind) if active in (None, one["active"]) and (not named or one[field] in named)
    ]
    taken = {"active", "lookup_keys" if kind == "price" else "ids"}
    return found, {name: value for name, value in parameters.items() if name not in taken}
