"""Decides what is to be done at the provider and in the ledger so that both match a plan of the catalogue.

One step at a time, from what is there now: a push that was interrupted anywhere goes on where it stopped. A price is
in the ledger before a checkout can use it, and out of sale in the ledger before it is archived at the provider.
"""

from collections.abc import Iterator

import attrs

from domain.values.plans import Plan
from domain.values.prices import PlanPrice, ProviderPrice, ProviderProduct, PushedPrice, prices_of, product_of


@attrs.frozen(kw_only=True)
class MakeProduct:
    """Make the plan's product."""

    product_id: str
    name: str
    tax_code: str | None = None


@attrs.frozen(kw_only=True)
class ChangeProduct:
    """Rename, sell again or archive the plan's product, or give it a tax code; None stays as it is."""

    product_id: str
    name: str | None = None
    tax_code: str | None = None
    is_active: bool | None = None


@attrs.frozen(kw_only=True)
class MakePrice:
    """Make a price of the product."""

    product_id: str
    sells: PlanPrice


@attrs.frozen(kw_only=True)
class OfferPrice:
    """Let an existing price be sold, with the lookup key."""

    price_id: str
    sells: PlanPrice


@attrs.frozen(kw_only=True)
class RecordPrice:
    """Record in the ledger that a price exists, and whether it is for sale."""

    price: PushedPrice


@attrs.frozen(kw_only=True)
class SetDefaultPrice:
    """Let a price be the product's default, so that another one can be archived."""

    product_id: str
    price_id: str


@attrs.frozen(kw_only=True)
class ArchivePrice:
    """Archive a price: new sales cannot use it, renewals go on with it."""

    price_id: str


Step = MakeProduct | ChangeProduct | MakePrice | OfferPrice | RecordPrice | SetDefaultPrice | ArchivePrice


@attrs.frozen(kw_only=True)
class PushState:
    """A plan, and how it stands at the provider and in the ledger."""

    plan: Plan
    product: ProviderProduct | None
    recorded: tuple[PushedPrice, ...]
    """The plan's pushed prices in the ledger."""

    @property
    def known(self) -> frozenset[str]:
        """Return the ids of all prices that the ledger or the provider has."""
        return frozenset(one.id for one in self.recorded) | {one.id for one in self._prices}

    @property
    def _prices(self) -> tuple[ProviderPrice, ...]:
        return self.product.prices if self.product is not None else ()

    def next_step(self) -> Step | None:
        """Return what is to be done next, or None if everything matches the catalogue."""
        return next(self._steps(), None)

    def after(self, step: Step, made: ProviderPrice | None = None) -> "PushState":
        """Return the state after the step; `made` is the price that was made, if it was one."""
        if isinstance(step, MakeProduct):
            new = ProviderProduct(
                id=step.product_id, name=step.name, is_active=True, default_price=None, tax_code=step.tax_code
            )
            return attrs.evolve(self, product=new)
        if isinstance(step, RecordPrice):
            others = tuple(one for one in self.recorded if one.id != step.price.id)
            return attrs.evolve(self, recorded=(*others, step.price))
        product = self.product
        assert product is not None  # noqa: S101 - for the type checker: the steps below change a product
        match step:
            case ChangeProduct():
                name, tax_code, is_active = step.name, step.tax_code, step.is_active
                product = attrs.evolve(
                    product,
                    name=product.name if name is None else name,
                    tax_code=product.tax_code if tax_code is None else tax_code,
                    is_active=product.is_active if is_active is None else is_active,
                )
            case SetDefaultPrice():
                product = attrs.evolve(product, default_price=step.price_id)
            case MakePrice():
                product = _with_price(product, made or _planned(step.sells))
            case OfferPrice():
                (price,) = [one for one in product.prices if one.id == step.price_id]
                key = step.sells.lookup_key
                product = _with_price(product, attrs.evolve(price, is_active=True, lookup_key=key))
            case ArchivePrice():
                (price,) = [one for one in product.prices if one.id == step.price_id]
                product = _with_price(product, attrs.evolve(price, is_active=False))
        return attrs.evolve(self, product=product)

    def _steps(self) -> Iterator[Step]:
        there = {one.id for one in self._prices}
        for gone in self.recorded:
            if gone.is_for_sale and gone.id not in there:
                yield RecordPrice(price=attrs.evolve(gone, is_for_sale=False))
        wanted = prices_of(self.plan)
        if self.product is None:
            if wanted:
                yield MakeProduct(
                    product_id=product_of(self.plan.id), name=self.plan.name, tax_code=self.plan.checkout.tax_code
                )
            return
        if wanted:
            yield from self._product_on_sale(self.product)
        sold = []
        for price in wanted:
            found = self._best(price)
            if found is None:
                yield MakePrice(product_id=self.product.id, sells=price)
                return
            sold.append(found.id)
            yield from self._price_on_sale(found, price)
        if sold and self.product.default_price not in sold:
            yield SetDefaultPrice(product_id=self.product.id, price_id=sold[0])
        yield from self._withdrawals(self.product, sold)
        if not wanted and self.product.is_active:
            yield ChangeProduct(product_id=self.product.id, is_active=False)

    def _product_on_sale(self, product: ProviderProduct) -> Iterator[Step]:
        name, tax_code = self.plan.name, self.plan.checkout.tax_code
        change = ChangeProduct(
            product_id=product.id,
            name=name if product.name != name else None,
            tax_code=tax_code if product.tax_code != tax_code else None,
            is_active=None if product.is_active else True,
        )
        if change != ChangeProduct(product_id=product.id):
            yield change

    def _price_on_sale(self, found: ProviderPrice, wanted: PlanPrice) -> Iterator[Step]:
        if not found.is_active or found.lookup_key != wanted.lookup_key:
            yield OfferPrice(price_id=found.id, sells=wanted)
        if not any(one.id == found.id and one.is_for_sale for one in self.recorded):
            yield self._recording(found, wanted, is_for_sale=True)

    def _withdrawals(self, product: ProviderProduct, sold: list[str]) -> Iterator[Step]:
        """Yield the steps that take every other price of ours out of sale."""
        recorded = {one.id: one for one in self.recorded}
        for price in product.prices:
            known = recorded.get(price.id)
            if price.id in sold or (known is None and price.sells is None):
                continue
            if known is not None and known.is_for_sale:
                yield RecordPrice(price=attrs.evolve(known, is_for_sale=False))
            elif known is None and price.sells is not None:
                yield self._recording(price, price.sells, is_for_sale=False)
            # Stripe archives no default price; that of a retired plan goes out of sale with its product.
            if price.is_active and price.id != product.default_price:
                yield ArchivePrice(price_id=price.id)

    def _best(self, wanted: PlanPrice) -> ProviderPrice | None:
        """Return the provider's price on these terms: one that is sold already, if there are several.

        Metadata can be edited; the terms that the ledger recorded first are those that renewals go by.
        """
        recorded = {one.id: one.sells for one in self.recorded}
        fitting = [one for one in self._prices if one.sells == wanted == recorded.get(one.id, wanted)]
        return min(
            fitting,
            key=lambda one: (not one.is_active, one.lookup_key != wanted.lookup_key, one.id),
            default=None,
        )

    def _recording(self, found: ProviderPrice, sells: PlanPrice, *, is_for_sale: bool) -> RecordPrice:
        product_id = product_of(self.plan.id)
        return RecordPrice(price=PushedPrice(id=found.id, product_id=product_id, sells=sells, is_for_sale=is_for_sale))


def _planned(sells: PlanPrice) -> ProviderPrice:
    """Return a price that a dry run does not make."""
    key = sells.lookup_key
    return ProviderPrice(id=f"(new {key})", is_active=True, lookup_key=key, sells=sells)


def _with_price(product: ProviderProduct, price: ProviderPrice) -> ProviderProduct:
    """Return the product with the price as it is now, which alone has its lookup key."""
    others = tuple(
        attrs.evolve(one, lookup_key=None) if one.lookup_key == price.lookup_key else one
        for one in product.prices
        if one.id != price.id
    )
    return attrs.evolve(product, prices=(*others, price))
