"""The provider's products and prices in the explorers' worlds, as they stand after all that was pushed."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from adapters.stripe.objects.prices import PRICE_CREDITS_KEY, PRICE_PLAN_KEY
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PlanPrice, ProviderPrice, ProviderProduct


class WorldCatalogue:
    """Implements the port ProviderCatalogue for what was made there; each method is one indivisible step."""

    def __init__(self) -> None:
        self._products: dict[str, ProviderProduct] = {}

    @property
    def plans(self) -> frozenset[str]:
        """Return the plans that were pushed."""
        return frozenset(one.sells.plan_id for known in self._products.values() for one in known.prices if one.sells)

    def teach(self, prices: Iterable[Mapping[str, Any]]) -> None:
        """Let those of Stripe's prices that were pushed be there; the one that is active is its product's default."""
        for price in prices:
            if price["metadata"].get(PRICE_CREDITS_KEY):
                self._add(price)

    async def product(self, product_id: str) -> ProviderProduct | None:
        """Return the product with all of its prices; None if there is none with that id."""
        return self._products.get(product_id)

    async def make_price(self, product_id: str, sells: PlanPrice, *, known: frozenset[str]) -> ProviderPrice:
        """Make a price, and move the lookup key to it; a price on these terms that is none of the known is returned."""
        product = self._products[product_id]
        there = next((one for one in product.prices if one.sells == sells and one.id not in known), None)
        made = there or ProviderPrice(
            id=f"price_{product_id}_{len(product.prices)}", is_active=True, lookup_key=sells.lookup_key, sells=sells
        )
        self._keep(product, made)
        return made

    async def change_product(self, product_id: str, *, default_price: str | None = None, **_: object) -> None:
        """Let a price be the product's default; its other fields are as the catalogue has them."""
        product = self._products[product_id]
        self._products[product_id] = attrs.evolve(product, default_price=default_price or product.default_price)

    async def change_price(self, price_id: str, *, is_active: bool, lookup_key: str | None = None) -> None:
        """Let a price be sold or archive it; with a lookup key, move the key to it."""
        for product in tuple(self._products.values()):
            for price in product.prices:
                if price.id == price_id:
                    key = lookup_key or price.lookup_key
                    self._keep(product, attrs.evolve(price, is_active=is_active, lookup_key=key))

    def _add(self, price: Mapping[str, Any]) -> None:
        plan_id, recurs = PlanId(price["metadata"][PRICE_PLAN_KEY]), price["recurring"]
        sells = PlanPrice(
            plan_id=plan_id,
            credits=int(price["metadata"][PRICE_CREDITS_KEY]),
            money=Money(amount=price["unit_amount"], currency=price["currency"]),
            interval=recurs["interval"] if recurs else None,
        )
        kept = ProviderPrice(id=price["id"], is_active=price["active"], lookup_key=price["lookup_key"], sells=sells)
        empty = ProviderProduct(id=price["product"], name=plan_id, is_active=True, default_price=None)
        product = self._products.get(price["product"], empty)
        default = price["id"] if price["active"] else product.default_price
        self._keep(attrs.evolve(product, default_price=default), kept)

    def _keep(self, product: ProviderProduct, price: ProviderPrice) -> None:
        """Keep a price; a lookup key is of one price of a product."""
        others = [
            attrs.evolve(one, lookup_key=None) if price.lookup_key and one.lookup_key == price.lookup_key else one
            for one in product.prices
            if one.id != price.id
        ]
        self._products[product.id] = attrs.evolve(product, prices=(*others, price))
