"""Push the catalogue to the provider: a product and prices for each plan, recorded in the ledger."""

from collections.abc import AsyncIterator, Iterable

import attrs

from domain.decisions.catalogue_push import (
    ArchivePrice,
    ChangeProduct,
    MakePrice,
    MakeProduct,
    OfferPrice,
    PushState,
    RecordPrice,
    SetDefaultPrice,
    Step,
)
from domain.ports.price_book import PriceBook
from domain.ports.provider_catalogue import ProviderCatalogue
from domain.usecases.selling.push_portal import PortalPlan
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode
from domain.values.prices import ProviderPrice, PushedPrice, product_of

MAX_STEPS = 10_000
"""The most steps of one plan; each brings it nearer to the catalogue."""


@attrs.frozen(kw_only=True)
class PushStep:
    """A step of a push, and its plan."""

    plan_id: PlanId
    step: Step


@attrs.frozen(kw_only=True)
class PlanPusher:
    """Makes the provider's products and prices match the catalogue.

    It may be interrupted and repeated, and may run twice at once: what is there is found, never made again.
    """

    catalogue: Catalogue
    provider: ProviderCatalogue
    prices: PriceBook

    async def push(self, *, dry_run: bool = False) -> AsyncIterator[PushStep]:
        """Yield each step once it is done; with `dry_run`, what would be done, and do nothing.

        :raises PaymentsUnavailable: if the provider cannot be reached.
        :raises PaymentsRefused: if it refuses a plan.
        :raises PermissionMissing: if the key may not do it.
        :raises LedgerUnavailable: if the ledger cannot be reached.
        """
        # Before the provider is read: a price that is recorded while this runs must not be taken for one that is gone.
        recorded = await self.prices.pushed()
        for plan in self.catalogue.plans.values():
            state = await self._state(plan, recorded)
            for _ in range(MAX_STEPS):
                step = state.next_step()
                if step is None:
                    break
                made = None if dry_run else await self._do(step, state)
                state = state.after(step, made)
                yield PushStep(plan_id=plan.id, step=step)

    async def drift(self) -> tuple[PlanId, ...] | None:
        """Return the plans that differ from the provider or the ledger; None if no plan was ever pushed.

        Raises as :meth:`push`.
        """
        if not await self.prices.pushed():
            return None
        found = [one.plan_id async for one in self.push(dry_run=True)]
        return tuple(dict.fromkeys(found))

    async def subscriptions(self, done: Iterable[PushStep] = ()) -> tuple[PortalPlan, ...]:
        """Return the subscriptions that are for sale at the provider, in the catalogue's order; after these steps.

        :raises LedgerUnavailable: if the ledger cannot be reached.
        """
        prices = {one.id: one for one in await self.prices.pushed()}
        for one in done:
            if isinstance(one.step, RecordPrice):
                prices[one.step.price.id] = one.step.price
        sold = [price for price in prices.values() if price.is_for_sale]
        plans = [plan.id for plan in self.catalogue.on_sale if plan.mode is PlanMode.SUBSCRIPTION]
        return tuple(
            PortalPlan(plan_id=plan_id, product_id=product_of(plan_id), price_ids=price_ids)
            for plan_id in plans
            if (price_ids := frozenset(price.id for price in sold if price.sells.plan_id == plan_id))
        )

    async def left_over(self) -> tuple[PlanId, ...]:
        """Return plans with prices for sale at the provider that the catalogue does not have.

        :raises LedgerUnavailable: if the ledger cannot be reached.
        """
        known = {one.sells.plan_id for one in await self.prices.pushed() if one.is_for_sale}
        return tuple(sorted(known - set(self.catalogue.plans)))

    async def _state(self, plan: Plan, recorded: tuple[PushedPrice, ...]) -> PushState:
        of_plan = tuple(one for one in recorded if one.sells.plan_id == plan.id)
        return PushState(plan=plan, product=await self.provider.product(product_of(plan.id)), recorded=of_plan)

    async def _do(self, step: Step, state: PushState) -> ProviderPrice | None:
        """Do it, and return the price that was made, if one was."""
        match step:
            case MakeProduct():
                await self.provider.make_product(
                    step.product_id, plan_id=state.plan.id, name=step.name, tax_code=step.tax_code
                )
            case ChangeProduct():
                await self.provider.change_product(
                    step.product_id, name=step.name, tax_code=step.tax_code, is_active=step.is_active
                )
            case MakePrice():
                return await self.provider.make_price(step.product_id, step.sells, known=state.known)
            case OfferPrice():
                await self.provider.change_price(step.price_id, is_active=True, lookup_key=step.sells.lookup_key)
            case RecordPrice():
                await self.prices.record(step.price)
            case SetDefaultPrice():
                await self.provider.change_product(step.product_id, default_price=step.price_id)
            case ArchivePrice():
                await self.provider.change_price(step.price_id, is_active=False)
        return None
