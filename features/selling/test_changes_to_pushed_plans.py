"""Changes of plan meet the catalogue that was pushed: by the price that stands there, in the customer's currency."""

import contextlib
import uuid
from collections.abc import AsyncIterator

import attrs
import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.products import StripeProducts
from domain.usecases.selling.plan_changes import AlreadyOnPlan, ChangeWish, CurrencyDiffers, NotAtPeriodEnd
from domain.usecases.selling.push_plans import PlanPusher
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan
from features.billing.world import ADA, plan
from features.selling.subscribed_world import START, SubscribedWorld
from simulators.stripe.stand_in import StripeStandIn

EUROS = Money(amount=800, currency="eur")
MONTHLY = attrs.evolve(plan("monthly", 100, 900), prices=(EUROS,))
PRO = attrs.evolve(plan("pro", 1000, 4900), prices=(Money(amount=4500, currency="eur"),))
QUARTER = attrs.evolve(plan("quarter", 350, 2500), interval_count=3)


@contextlib.asynccontextmanager
async def worlds(*plans: Plan) -> AsyncIterator[tuple[SubscribedWorld, PlanPusher]]:
    """A world with these plans on sale, and what pushes them."""
    with StripeStandIn(seed=4) as stripe:
        stripe.account.set_clock(START)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            catalogue = Catalogue({one.id: one for one in plans})
            world = SubscribedWorld(stripe, connection, catalogue)
            products = StripeProducts(connection)
            yield world, PlanPusher(catalogue=catalogue, provider=products, prices=world.ledger.prices)


async def changed_to(world: SubscribedWorld, plan_id: str) -> str:
    """Change the subscription at once, and return the price of its item."""
    wish = ChangeWish(user_id=ADA, plan_id=plan_id, at_once=True)
    made = await world.changer.change(wish, key=uuid.uuid4().hex)
    await world.hear()
    (item,) = made.items
    return str(item.price.id)


async def test_a_change_takes_the_price_that_was_pushed() -> None:
    """The credits are the plan's, as they are of one that was made for the change."""
    async with worlds(MONTHLY, PRO) as (world, pusher):
        await world.subscribe(MONTHLY)
        steps = [step async for step in pusher.push(dry_run=False)]
        assert steps
        pushed = {one.id: one.sells.money for one in await world.ledger.prices.for_sale("pro")}
        assert Money(amount=4900, currency="usd") == pushed.get(await changed_to(world, "pro"))
        assert 1000 == await world.balance()


async def test_a_change_to_the_same_plan_brings_its_present_terms() -> None:
    """Its credits may be others though it costs the same; on the present terms nothing would change."""
    richer = attrs.evolve(PRO, terms=attrs.evolve(PRO.terms, credits=1500))
    async with worlds(MONTHLY, PRO) as (world, _):
        await world.subscribe(MONTHLY)
        first = await changed_to(world, "pro")
        with pytest.raises(AlreadyOnPlan):
            await changed_to(world, "pro")
        now = attrs.evolve(world.changer.plan_changer, catalogue=Catalogue({richer.id: richer}))
        world.changer = attrs.evolve(world.changer, plan_changer=now)
        await world.wait(10)
        assert first != await changed_to(world, "pro")
        assert 1499 <= await world.balance() <= 1500


async def test_a_change_makes_a_price_where_none_was_pushed() -> None:
    """As for a checkout, whose terms are written out then."""
    async with worlds(MONTHLY, PRO) as (world, _):
        await world.subscribe(MONTHLY)
        made = world.stripe.account.kept("price", await changed_to(world, "pro"))
        assert ("pro", 4900, "usd") == (made["metadata"]["credence_plan"], made["unit_amount"], made["currency"])
        assert 1000 == await world.balance()


async def test_a_change_stays_in_the_currency_of_the_subscription() -> None:
    """A plan that is not sold in it can't be changed to."""
    async with worlds(MONTHLY, PRO, QUARTER) as (world, _):
        await world.subscribe(attrs.evolve(MONTHLY, terms=attrs.evolve(MONTHLY.terms, price=EUROS), prices=()))
        made = world.stripe.account.kept("price", await changed_to(world, "pro"))
        assert (4500, "eur") == (made["unit_amount"], made["currency"])
        assert 1000 == await world.balance()
        with pytest.raises(CurrencyDiffers):
            await changed_to(world, "quarter")


async def test_a_change_to_a_plan_of_several_intervals_begins_a_period_of_theirs() -> None:
    """It can't wait for the end of a period of one."""
    async with worlds(MONTHLY, QUARTER) as (world, _):
        await world.subscribe(MONTHLY)
        with pytest.raises(NotAtPeriodEnd):
            await world.changer.change(ChangeWish(user_id=ADA, plan_id="quarter", at_once=False), key="later")
        made = world.stripe.account.kept("price", await changed_to(world, "quarter"))
        assert ("month", 3) == (made["recurring"]["interval"], made["recurring"]["interval_count"])
        assert 350 == await world.balance()
