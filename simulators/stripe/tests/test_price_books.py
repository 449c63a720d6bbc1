"""The stand-in's products and prices keep Stripe's rules, under the real `stripe` package."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from simulators.stripe.stand_in import StripeStandIn


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=8) as running:
        yield running


@pytest.fixture
def v1(stand_in: StripeStandIn) -> Any:
    client = stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)
    return client.v1


def refused(ask: Callable[[], object]) -> Any:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        ask()
    return raised.value


def priced(v1: Any, product: str, amount: int = 500, **fields: Any) -> Any:
    return v1.prices.create({"product": product, "currency": "usd", "unit_amount": amount, **fields})


def test_an_id_of_ones_own_is_unique(v1: Any) -> None:
    """A second product of that id is refused by a code that tells it."""
    assert "shop_1" == v1.products.create({"id": "shop_1", "name": "Pack"}).id
    assert "resource_already_exists" == refused(lambda: v1.products.create({"id": "shop_1", "name": "Pack"})).code


def test_a_lookup_key_is_unique_and_can_be_moved(v1: Any) -> None:
    """Without `transfer_lookup_key` the second price is refused and not made; with it the first one loses the key."""
    v1.products.create({"id": "shop_1", "name": "Pack"})
    first = priced(v1, "shop_1", lookup_key="pack")
    error = refused(lambda: priced(v1, "shop_1", 600, lookup_key="pack"))
    assert ("lookup_key", f"A price (`{first.id}`) already uses that lookup key.") == (error.param, error.user_message)
    assert 1 == len(v1.prices.list({"product": "shop_1"}).data)
    second = priced(v1, "shop_1", 600, lookup_key="pack", transfer_lookup_key=True)
    assert [second.id] == [one.id for one in v1.prices.list({"lookup_keys": ["pack", "nobody"]}).data]
    assert v1.prices.retrieve(first.id).lookup_key is None
    v1.prices.update(first.id, {"lookup_key": "pack", "transfer_lookup_key": True})
    assert [first.id] == [one.id for one in v1.prices.list({"lookup_keys": ["pack"]}).data]
    assert "lookup_key" == refused(lambda: priced(v1, "shop_1", 600, lookup_key="k" * 201)).param


def test_a_default_price_is_not_archived(v1: Any) -> None:
    """Only once another price of the product is its default."""
    v1.products.create({"id": "shop_1", "name": "Pack"})
    v1.products.create({"id": "shop_2", "name": "Another"})
    first, second, other = priced(v1, "shop_1"), priced(v1, "shop_1", 600), priced(v1, "shop_2")
    v1.products.update("shop_1", {"default_price": first.id})
    assert "default price" in refused(lambda: v1.prices.update(first.id, {"active": False})).user_message
    assert "default_price" == refused(lambda: v1.products.update("shop_1", {"default_price": other.id})).param
    v1.products.update("shop_1", {"default_price": second.id})
    assert v1.prices.update(first.id, {"active": False}).active is False
    assert "inactive" in refused(lambda: v1.products.update("shop_1", {"default_price": first.id})).user_message
    assert "default_price" == refused(lambda: v1.products.update("shop_1", {"default_price": "price_none"})).param


def test_lists_show_active_prices_unless_asked_for_others(v1: Any) -> None:
    """Products are listed either way."""
    v1.products.create({"id": "shop_1", "name": "Pack"})
    first, second = priced(v1, "shop_1"), priced(v1, "shop_1", 600)
    v1.prices.update(first.id, {"active": False})
    assert [second.id] == [one.id for one in v1.prices.list({"product": "shop_1"}).data]
    assert [first.id] == [one.id for one in v1.prices.list({"product": "shop_1", "active": False}).data]
    v1.products.update("shop_1", {"active": False})
    assert ["shop_1"] == [one.id for one in v1.products.list({"ids": ["shop_1"]}).data]
    assert [] == v1.products.list({"active": True}).data


def test_what_is_archived_is_not_sold(v1: Any) -> None:
    """A checkout with an archived price, one of an archived product, or none at all is refused by its line."""
    v1.products.create({"id": "shop_1", "name": "Pack"})
    price = priced(v1, "shop_1")

    def opens(price_id: str = price.id) -> Any:
        items = [{"price": price_id, "quantity": 1}]
        return v1.checkout.sessions.create({"mode": "payment", "success_url": "https://a.test", "line_items": items})

    assert 500 == opens().amount_total
    v1.products.update("shop_1", {"active": False})
    assert "line_items[0][price]" == refused(opens).param
    v1.products.update("shop_1", {"active": True})
    v1.prices.update(price.id, {"active": False})
    assert "The price specified is inactive" in refused(opens).user_message
    missing = refused(lambda: opens("price_none"))
    assert ("resource_missing", "line_items[0][price]") == (missing.code, missing.param)


def test_a_product_with_prices_is_not_deleted(v1: Any) -> None:
    """It is archived instead."""
    v1.products.create({"id": "shop_1", "name": "Pack"})
    priced(v1, "shop_1")
    assert "cannot be deleted" in refused(lambda: v1.products.delete("shop_1")).user_message
    v1.products.create({"id": "shop_2", "name": "Pack"})
    assert v1.products.delete("shop_2").deleted is True
