"""The catalogue at the payment provider: a product for each plan, and its prices."""

from typing import Protocol

import attrs

from domain.values.prices import PlanPrice, ProviderPrice, ProviderProduct


@attrs.frozen
class PermissionMissing(Exception):
    """The key may not do this at the provider."""

    permission: str
    """The permission as the provider's Dashboard names it, such as `Prices: Write`."""


class ProviderCatalogue(Protocol):
    """Products and prices at the provider.

    Every method raises :class:`domain.ports.payment_provider.PaymentsUnavailable`,
    :class:`domain.ports.payment_provider.PaymentsRefused` and :class:`PermissionMissing`.
    """

    async def product(self, product_id: str) -> ProviderProduct | None:
        """Return the product with all of its prices, active or archived; None if there is none with that id."""
        ...

    async def make_product(self, product_id: str, *, plan_id: str, name: str, tax_code: str | None = None) -> None:
        """Make the product; if it exists, give it this name and let it be sold."""
        ...

    async def change_product(
        self,
        product_id: str,
        *,
        name: str | None = None,
        tax_code: str | None = None,
        is_active: bool | None = None,
        default_price: str | None = None,
    ) -> None:
        """Change what is not None; making it inactive archives the product."""
        ...

    async def make_price(self, product_id: str, sells: PlanPrice, *, known: frozenset[str]) -> ProviderPrice:
        """Make a price with the plan and its credits in its metadata, and move the lookup key to it.

        Repeated, also by another process, it returns the price that was made first, unless that one is among `known`,
        the ids of prices that were there before: those do not serve.
        """
        ...

    async def change_price(self, price_id: str, *, is_active: bool, lookup_key: str | None = None) -> None:
        """Let a price be sold or archive it; with a lookup key, move the key to it."""
        ...
