"""The catalogue at Stripe: a product for each plan, and its prices."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import stripe

from adapters.stripe.connection import StripeConnection, is_missing, pages, plain, retrieved, translated
from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.prices import PRICE_PLAN_KEY, read_price
from adapters.stripe.price_parameters import metadata_of, terms_of
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.ports.provider_catalogue import PermissionMissing
from domain.values.checkout_options import TaxBehavior
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PlanPrice, ProviderPrice, ProviderProduct

if TYPE_CHECKING:
    from stripe.params import PriceCreateParams, PriceUpdateParams, ProductCreateParams, ProductUpdateParams

PUSHED_KEY = "credence_pushed"
"""Set to `yes` in the metadata of a price that a push made; a merchant's own price of the product lacks it."""

ATTEMPTS = 5
"""The most keys that are tried for one price: Stripe repeats an error for a day under the key that met it."""


class StripeProducts:
    """Implements the port ProviderCatalogue."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1

    async def product(self, product_id: str) -> ProviderProduct | None:
        """Return the product with all of its prices, or None.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PermissionMissing: if the key may not read it.
        """
        with _asking("Products: Read"):
            found = await retrieved(self._v1.products.retrieve_async, product_id)
            if not found or found.get("deleted"):
                return None
            return ProviderProduct(
                id=product_id,
                name=str(found.get("name")),
                is_active=found.get("active") is True,
                default_price=fields.reference(found, "default_price"),
                tax_code=fields.reference(found, "tax_code"),
                prices=await self._prices(product_id),
            )

    async def make_product(self, product_id: str, *, plan_id: str, name: str, tax_code: str | None = None) -> None:
        """Make the product; if it exists, give it this name and let it be sold.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if it refuses the name.
        :raises PermissionMissing: if the key may not do it.
        """
        given: dict[str, Any] = {"name": name, "active": True}
        if tax_code is not None:
            given["tax_code"] = tax_code
        made = {**given, "id": product_id, "metadata": {PRICE_PLAN_KEY: plan_id}}
        with _asking("Products: Write"):
            try:
                await self._v1.products.create_async(cast("ProductCreateParams", made))
            except stripe.InvalidRequestError as error:
                if error.code != "resource_already_exists":
                    raise
                await self._v1.products.update_async(product_id, cast("ProductUpdateParams", given))

    async def change_product(
        self,
        product_id: str,
        *,
        name: str | None = None,
        tax_code: str | None = None,
        is_active: bool | None = None,
        default_price: str | None = None,
    ) -> None:
        """Change what is not None. Raises as :meth:`make_product`."""
        given = {"name": name, "tax_code": tax_code, "active": is_active, "default_price": default_price}
        changes = {key: value for key, value in given.items() if value is not None}
        with _asking("Products: Write"):
            await self._v1.products.update_async(product_id, cast("ProductUpdateParams", changes))

    async def make_price(self, product_id: str, sells: PlanPrice, *, known: frozenset[str]) -> ProviderPrice:
        """Make a price, and move the lookup key to it; repeated within a day it returns the first one.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or answers only with errors.
        :raises PaymentsRefused: if it refuses the amount or the currency.
        :raises PermissionMissing: if the key may not do it.
        """
        for attempt in range(1, ATTEMPTS + 1):
            with _asking("Prices: Write"):
                made = await self._made(product_id, sells, attempt)
            if made is not None and made.id not in known:
                return made
            # An error, under which the price may have been made, or the answer about a price that was changed since.
            for price in await self._prices(product_id):
                if price.sells == sells and price.id not in known:
                    return price
        raise PaymentsUnavailable("Stripe repeats an error or an old price; try again in a day")

    async def change_price(self, price_id: str, *, is_active: bool, lookup_key: str | None = None) -> None:
        """Let a price be sold or archive it; with a lookup key, move the key to it. Raises as :meth:`make_price`."""
        changes: dict[str, Any] = {"active": is_active}
        if lookup_key is not None:
            changes |= {"lookup_key": lookup_key, "transfer_lookup_key": True}
        with _asking("Prices: Write"):
            await self._v1.prices.update_async(price_id, cast("PriceUpdateParams", changes))

    async def _made(self, product_id: str, sells: PlanPrice, attempt: int) -> ProviderPrice | None:
        """Return the price, or None if Stripe answered with an error of its own, or the key was used differently."""
        parameters = _parameters(product_id, sells)
        money, tax = sells.money, sells.tax_behavior
        terms = (sells.credits, money.amount, money.currency, sells.interval, sells.interval_count, tax)
        key = f"{product_id}:{'/'.join(map(str, terms))}:{attempt}"
        try:
            return _price(plain(await self._v1.prices.create_async(parameters, {"idempotency_key": key})))
        except stripe.IdempotencyError:
            return None
        except stripe.APIError as error:
            if error.http_status is None or error.http_status < 500:
                raise
            return None

    async def _prices(self, product_id: str) -> tuple[ProviderPrice, ...]:
        """Return all prices of a product: Stripe lists active ones only, unless asked for the others.

        The archived ones come first: another push may sell one of them again meanwhile, which is then seen twice rather
        than not at all. One that is archived meanwhile is nothing that is wanted.
        """
        found: dict[str, ProviderPrice] = {}
        with _asking("Prices: Read"):
            for is_active in (False, True):
                parameters = {"product": product_id, "active": is_active}
                async for price in pages(self._v1.prices.list_async, parameters):
                    read = _price(price)
                    found[read.id] = read
        return tuple(found.values())


@contextlib.contextmanager
def _asking(permission: str) -> Iterator[None]:
    """Translate the library's errors, with Stripe's own words where a plan is refused."""
    try:
        with translated(refusals=True):
            yield
    except (PaymentsRefused, PaymentsUnavailable) as error:
        cause = error.__cause__
        if isinstance(cause, stripe.PermissionError):
            raise PermissionMissing(permission) from error
        if isinstance(cause, stripe.InvalidRequestError) and not is_missing(cause):
            raise PaymentsRefused(cause.user_message or error.cause) from error
        raise
    except UnreadableField as error:
        raise PaymentsUnavailable(f"unreadable response: {error.reason}") from error


def _parameters(product_id: str, sells: PlanPrice) -> "PriceCreateParams":
    parameters: dict[str, Any] = {
        **terms_of(sells),
        "product": product_id,
        "metadata": {**metadata_of(sells), PUSHED_KEY: "yes"},
        "lookup_key": sells.lookup_key,
        "transfer_lookup_key": True,
    }
    return cast("PriceCreateParams", parameters)


def _price(price: Object) -> ProviderPrice:
    return ProviderPrice(
        id=str(price.get("id")),
        is_active=price.get("active") is True,
        lookup_key=fields.text(price, "lookup_key"),
        sells=_sells(price),
    )


def _sells(price: Object) -> PlanPrice | None:
    """Return what a pushed price sells; None if it is another one, or was changed beyond recognition."""
    try:
        read = read_price(price)
        unit = read.unit_amount
        if fields.metadata_text(fields.metadata(price), PUSHED_KEY) != "yes" or read.is_metered:
            return None
        if unit is None or unit.denominator != 1 or not read.plan_id or not read.credits or not read.currency:
            return None
        return PlanPrice(
            plan_id=PlanId(read.plan_id),
            credits=read.credits,
            money=Money(amount=int(unit), currency=read.currency),
            interval=read.interval,
            interval_count=read.interval_count,
            tax_behavior=TaxBehavior(tax) if (tax := fields.text(price, "tax_behavior")) in set(TaxBehavior) else None,
        )
    except (UnreadableField, ValueError):
        return None
