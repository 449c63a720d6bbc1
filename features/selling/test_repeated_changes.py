"""Changes whose answers are lost, or whose process dies, before or after Stripe did them: each is made once at most."""

import contextlib
from collections.abc import AsyncIterator

import attrs
import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.subscription_changes import StripeSubscriptionChanges
from domain.payments.subscription_changes import PlanChange, ProviderSubscription
from domain.ports.payment_provider import PaymentsUnavailable
from domain.usecases.selling.change_subscription import ChangeKeyExpired, ChangeKeyReused, SubscriptionChanger
from domain.usecases.selling.plan_changes import ChangeWish
from features.billing.world import ADA, PLANS
from features.selling.subscribed_world import START, SubscribedWorld
from simulators.stripe.stand_in import StripeStandIn

HOUR = 3600
DAY = 24 * HOUR
TO_PRO = ChangeWish(user_id=ADA, plan_id="pro", at_once=True)


class Interrupted(StripeSubscriptionChanges):
    """Stripe's adapter, with which each change is interrupted before Stripe hears of it."""

    async def change(self, wanted: PlanChange, *, idempotency_key: str) -> ProviderSubscription:
        raise PaymentsUnavailable("the process died")


class Unanswered(Interrupted):
    """Stripe's adapter, with which Stripe makes each change, and its answer is lost."""

    async def change(self, wanted: PlanChange, *, idempotency_key: str) -> ProviderSubscription:
        await StripeSubscriptionChanges.change(self, wanted, idempotency_key=idempotency_key)
        raise PaymentsUnavailable("the answer was lost")


@attrs.frozen
class Subscribed:
    """A world where Ada subscribed to 100 credits a month ten days ago."""

    world: SubscribedWorld
    connection: StripeConnection
    subscription_id: str

    async def interrupted(self, how: type[Interrupted], wish: ChangeWish, key: str) -> None:
        """Ask for a change that is interrupted."""
        changer: SubscriptionChanger = attrs.evolve(self.world.changer, provider=how(self.connection))
        with pytest.raises(PaymentsUnavailable):
            await changer.change(wish, key=key)
        await self.world.hear()

    async def bills(self) -> list[list[int]]:
        """Return the amounts of each invoice's lines, oldest first."""
        await self.world.hear()
        return [[line["amount"] for line in one["_lines"]] for one in self.world.stripe.account.all_kept("invoice")]


@contextlib.asynccontextmanager
async def subscribed() -> AsyncIterator[Subscribed]:
    with StripeStandIn(seed=5) as stripe:
        stripe.account.stand_still(START)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            world = SubscribedWorld(stripe, connection)
            subscription_id = await world.subscribe(PLANS[0])
            await world.wait(10 * DAY)
            yield Subscribed(world, connection, subscription_id)


@pytest.mark.parametrize("how", [Interrupted, Unanswered])
async def test_the_same_key_makes_the_change_that_was_decided_first(how: type[Interrupted]) -> None:
    """As of the moment of the preview, however often, and whatever became of the first attempt."""
    async with subscribed() as shop:
        preview = await shop.world.changer.preview(TO_PRO)
        assert preview.invoice is not None
        wish = attrs.evolve(TO_PRO, prorated_at=preview.invoice.prorated_at)
        await shop.interrupted(how, wish, "key-1")
        await shop.world.wait(HOUR)
        for _ in range(2):
            await shop.world.changer.change(wish, key="key-1")
        assert [[900], [line.amount for line in preview.invoice.lines]] == await shop.bills()
        assert preview.credits.balance == await shop.world.balance()


async def test_a_key_of_an_earlier_day_changes_nothing() -> None:
    """Stripe has forgotten it: the change stands, or the key is refused; it never undoes what came after it."""
    async with subscribed() as shop:
        changer = shop.world.changer
        await shop.interrupted(Interrupted, TO_PRO, "never-made")
        await shop.interrupted(Unanswered, TO_PRO, "made")
        await shop.world.wait(DAY)
        assert shop.subscription_id == (await changer.change(TO_PRO, key="made")).id
        assert 2 == len(await shop.bills())
        await changer.change(attrs.evolve(TO_PRO, plan_id="monthly"), key="back")
        for key in ("made", "never-made"):
            with pytest.raises(ChangeKeyExpired):
                await changer.change(TO_PRO, key=key)
        assert 3 == len(await shop.bills())


async def test_a_change_that_was_never_made_gives_way_to_a_later_one() -> None:
    """Its key makes it no more: what it was decided by has changed, such as whose time would be given back."""
    async with subscribed() as shop:
        await shop.interrupted(Interrupted, TO_PRO, "never-made")
        await shop.world.changer.change(attrs.evolve(TO_PRO, plan_id="annual"), key="another")
        with pytest.raises(ChangeKeyExpired):
            await shop.world.changer.change(TO_PRO, key="never-made")
        assert 2 == len(await shop.bills())


async def test_a_key_is_of_one_change() -> None:
    """Another plan, time or subscription under the same key is refused, and nothing is changed."""
    async with subscribed() as shop:
        await shop.world.changer.change(TO_PRO, key="key-1")
        for other, fields in (
            (attrs.evolve(TO_PRO, plan_id="annual"), ("plan",)),
            (attrs.evolve(TO_PRO, at_once=False), ("when",)),
            (attrs.evolve(TO_PRO, subscription_id=shop.subscription_id), ("subscription",)),
        ):
            with pytest.raises(ChangeKeyReused) as refused:
                await shop.world.changer.change(other, key="key-1")
            assert fields == refused.value.fields
        assert 2 == len(await shop.bills())
