"""Prepare a change of plan: check it against the ledger, the catalogue and the provider, and decide its parameters."""

from datetime import datetime, timedelta

import attrs

from domain.changes.changes import SnapshotQuery
from domain.payments.invoices import Line
from domain.payments.line_terms import MadePrice, made_price
from domain.payments.subscription_changes import PlanChange, ProviderSubscription, SubscribedItem
from domain.payments.subscriptions import HeldSubscription
from domain.ports.ledger import Ledger
from domain.ports.price_book import PriceBook
from domain.ports.subscription_changes import SubscriptionChanges
from domain.usecases.selling.present_period import PresentPeriod, present_period
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.selling.sellable_plans import refuse_second_free_plan, sellable
from domain.values.accounts import UserId
from domain.values.plans import MAX_GRACE, Catalogue, Plan, PlanMode, Terms
from domain.values.prices import PlanPrice, price_in, price_selling

PREVIEW_LASTS = timedelta(minutes=15)
"""The time for which a preview holds: no change is prorated as of an earlier moment."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far ahead of the time that the provider told a moment may be."""


@attrs.frozen
class NotASubscription(Exception):
    """The plan is a one-time pack, to which no subscription can change."""

    plan_id: str


@attrs.frozen
class AlreadyOnPlan(Exception):
    """The subscription is on that plan, on its present terms, and goes on."""

    plan_id: str


@attrs.frozen
class NotAtPeriodEnd(Exception):
    """The plan has another interval, so that a period of it begins with the change."""

    interval: str | None


@attrs.frozen
class CostsMore(Exception):
    """The plan costs more than the present period did, so it cannot wait for the next one.

    Until then unused time would be given back at the new price, which nobody paid.
    """


@attrs.frozen
class CurrencyDiffers(Exception):
    """The subscription is billed in another currency than the plan."""

    currency: str


@attrs.frozen
class SeveralItems(Exception):
    """Several items of the subscription may be of plans."""


@attrs.frozen
class PreviewExpired(Exception):
    """The change was previewed too long ago, before the latest invoice, or as of a moment to come."""


@attrs.frozen
class PriceChanged(Exception):
    """The plan has another price than the one that was previewed."""


@attrs.frozen(kw_only=True)
class ChangeWish:
    """A wish to change an account's subscription to another plan: at once, or from its next period on."""

    user_id: UserId
    plan_id: str
    at_once: bool
    subscription_id: str | None = None
    """The subscription, needed if the account has several."""
    prorated_at: datetime | None = None
    """The moment of a preview, to bill exactly what was previewed; None for now."""
    price_id: str | None = None
    """The price of a preview; the change is refused if it would be made at another one."""


@attrs.frozen(kw_only=True)
class PreparedChange:
    """A change that can be made, and what it is based on."""

    change: PlanChange
    price: MadePrice | None
    """The new price; None if the subscription is on the plan, and only goes on."""
    held: HeldSubscription
    found: ProviderSubscription


@attrs.frozen(kw_only=True)
class PlanChanger:
    """Prepares changes of plans."""

    reader: SubscriptionReader
    provider: SubscriptionChanges
    ledger: Ledger
    catalogue: Catalogue
    prices: PriceBook

    async def prepare(self, wish: ChangeWish) -> PreparedChange:
        """Return the change in all its parameters.

        :raises UnknownPlan: if the plan is not on sale.
        :raises NotASubscription: if the plan is a pack.
        :raises AlreadySubscribed: if the plan is free, and another subscription of the account has it.
        :raises AlreadyOnPlan: if nothing would change.
        :raises NotAtPeriodEnd: if the plan's interval is another one, and the change is not to be made at once.
        :raises CostsMore: if the plan costs more than the present period, and the change is not to be made at once.
        :raises CurrencyDiffers: if the plan is sold in another currency.
        :raises PaymentDue: if an invoice of the subscription is not paid, and the change is to be made at once.
        :raises PreviewExpired: if the moment of the preview is more than 15 minutes ago, before the latest invoice, or
            to come.
        :raises PriceChanged: if the previewed price is not the plan's any more.
        :raises PriceNotBilled: if the item's price never was billed, and the change is to be made at once.
        :raises SeveralItems: if the subscription has several items, and it is unclear which one is to change.

        Further as :meth:`SubscriptionReader.chosen`.
        """
        plan = sellable(self.catalogue, wish.plan_id)
        if plan.mode is not PlanMode.SUBSCRIPTION:
            raise NotASubscription(plan.id)
        held, found = await self.reader.chosen(wish.user_id, wish.subscription_id)
        _check_moment(wish, found)
        item, current, period = await self._item(held, found)
        wanted = _wanted(item, plan, at_once=wish.at_once)
        if not wish.at_once and wanted.money.amount > min(period.unit_amounts, default=item.price.unit_amount or 0):
            raise CostsMore
        price: MadePrice | None = None
        if current != plan.id or not _sells(item, wanted):
            await refuse_second_free_plan(self.ledger, wish.user_id, plan, beside=held.id)
            if wish.at_once:
                period.check_change_at_once(item, found)
            price = await self._price(plan, wanted, period)
        elif not found.state.cancels_at_period_end:
            raise AlreadyOnPlan(plan.id)
        price_id = price.id if price is not None else str(item.price.id)
        if wish.price_id not in (None, price_id):
            raise PriceChanged
        change = PlanChange(
            user_id=wish.user_id,
            subscription_id=held.id,
            item_id=item.id,
            price_id=price_id,
            schedule_id=found.schedule_id,
            quantity=item.quantity,
            plan_id=plan.id,
            terms=Terms(credits=wanted.credits, price=wanted.money),
            at_once=wish.at_once,
            is_switch=price is not None,
            prorated_at=wish.prorated_at,
        )
        return PreparedChange(change=change, price=price, held=held, found=found)

    async def _price(self, plan: Plan, wanted: PlanPrice, period: PresentPeriod) -> MadePrice:
        """Return the pushed price of the plan, or the one that was billed last, or one that is made for it."""
        terms = Terms(credits=wanted.credits, price=wanted.money)
        pushed = price_selling(plan, terms, await self.prices.for_sale(plan.id))
        if pushed is not None:
            return made_price(pushed.id, pushed.sells)
        billed = (one for one in period.made if one == made_price(one.id, wanted))
        return next(billed, None) or await self.provider.make_price(plan, wanted)

    async def _item(
        self, held: HeldSubscription, found: ProviderSubscription
    ) -> tuple[SubscribedItem, str | None, PresentPeriod]:
        """Return the item that is of a plan, that plan if it is known, and how its present period was billed."""
        ends_at = found.state.period_ends_at or found.state.occurred_at
        billed = found.billed.lines if found.billed else ()
        prices = (*(item.price for item in found.items), *(line.price for line in billed))
        known = await self.ledger.read(
            SnapshotQuery(
                subscription_id=found.id,
                periods_since=ends_at - MAX_GRACE,
                price_ids=frozenset(price.id for price in prices if price.id is not None),
            )
        )
        lines = [line for row in known.family if row.purchase.bill for line in row.purchase.bill.lines]
        plans = {item.id: _plan_of(item, lines, known.made_prices, self.catalogue) for item in found.items}
        of_plans = [item for item in found.items if plans[item.id] is not None] or list(found.items)
        if len(of_plans) != 1:
            raise SeveralItems
        (item,) = of_plans
        return item, plans[item.id] or held.plan_id, present_period(item, found, lines, known.made_prices)


def _plan_of(item: SubscribedItem, lines: list[Line], made: tuple[MadePrice, ...], catalogue: Catalogue) -> str | None:
    """Return the plan of an item: by its price, as lines of invoices are matched, or by what it was billed for."""
    price = item.price
    of_catalogue = catalogue.of_price(price.id)
    by_price = (
        of_catalogue.id if of_catalogue else None,
        next((one.plan_id for one in made if one.id == price.id), None),
        price.plan_id,
        next((line.plan_id for line in lines if price.id is not None and line.price_id == price.id), None),
        next((line.plan_id for line in lines if line.subscription_item == item.id), None),
    )
    return next((plan_id for plan_id in by_price if plan_id is not None), None)


def _wanted(item: SubscribedItem, plan: Plan, *, at_once: bool) -> PlanPrice:
    """Return the price of the plan in the subscription's currency."""
    price = item.price
    wanted = price_in(plan, price.currency)
    if wanted is None:
        raise CurrencyDiffers(str(price.currency))
    if not at_once and (price.interval, price.interval_count) != (plan.interval, plan.interval_count):
        raise NotAtPeriodEnd(plan.interval)
    return wanted


def _sells(item: SubscribedItem, wanted: PlanPrice) -> bool:
    """Return whether the item's price has these terms; a price without metadata does not say its credits."""
    price = item.price
    is_as_long = (price.interval, price.interval_count) == (wanted.interval, wanted.interval_count)
    return is_as_long and price.unit_amount == wanted.money.amount and price.credits in (None, wanted.credits)


def _check_moment(wish: ChangeWish, found: ProviderSubscription) -> None:
    if wish.prorated_at is None:
        return
    age = found.state.occurred_at - wish.prorated_at
    if not wish.at_once or not -CLOCKS_DIFFER <= age <= PREVIEW_LASTS:
        raise PreviewExpired
    # Before its latest invoice the subscription may have been on another plan, whose time was billed then.
    if found.billed is not None and wish.prorated_at < found.billed.made_at:
        raise PreviewExpired
