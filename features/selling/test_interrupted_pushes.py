"""A push that dies anywhere is healed by the next one, and pushes at the same time end as one would have."""

import asyncio

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.selling.customers import MemoryCustomers
from domain.ports.provider_catalogue import PermissionMissing
from domain.usecases.check_out import CheckoutService
from domain.usecases.read_account import AccountReader
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.tests.memory_customers import customers_of
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, Terms
from domain.values.prices import prices_of
from domain.values.return_pages import ReturnPages
from features.billing.world import ADA, World
from features.selling.pushing import Shop, catalogue, plan, shop
from simulators.stripe.objects import Object

STARTER, MONTHLY = plan("starter", 50, 500), plan("monthly", 100, 900, "month")
FIRST = catalogue(STARTER, MONTHLY)
DEARER = attrs.evolve(MONTHLY, terms=Terms(credits=100, price=Money(amount=1200, currency="usd")))
THEN = catalogue(attrs.evolve(STARTER, retired=True), DEARER)


@pytest.fixture(params=["memory", "Postgres"])
def ledger(request: pytest.FixtureRequest) -> str | None:
    """The database of a shop's ledger, or None if that is kept in memory."""
    return str(request.getfixturevalue("database_url")) if request.param == "Postgres" else None


async def test_a_catalogue_is_for_sale_once_it_is_pushed() -> None:
    """And a second push has nothing to do."""
    async with shop() as on:
        assert [] != await on.push(FIRST)
        await on.assert_matches(FIRST)
        assert [] == await on.push(FIRST)


async def test_a_dry_run_shows_the_steps_and_takes_none() -> None:
    """The same steps as the push after it, and the same kinds of them where an id is not known yet."""
    async with shop() as on:
        for sold in (FIRST, THEN):
            before = ([*on.stripe.account.all_kept("price")], await on.book.pushed(), len(on.stripe.events))
            shown = await on.push(sold, dry_run=True)
            after = ([*on.stripe.account.all_kept("price")], await on.book.pushed(), len(on.stripe.events))
            assert before == after
            kinds = [(step.plan_id, type(step.step)) for step in await on.push(sold)]
            assert kinds == [(step.plan_id, type(step.step)) for step in shown]


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before the call", "with the answer lost"])
async def test_a_push_that_died_is_healed_by_the_next(is_done_first: bool) -> None:
    """Wherever it died, of a first push or a later one, nothing is made twice and nothing is forgotten."""
    deaths = 0
    for sold, before in ((FIRST, None), (THEN, FIRST)):
        for at in range(1, 100):
            async with shop() as on:
                if before is not None:
                    await on.push(before)
                died = await on.push_and_die(sold, at, is_done_first=is_done_first)
                await on.push(sold)
                await on.assert_matches(sold)
                assert (2 if before is None else 3) == len(on.stripe.account.all_kept("price"))
            deaths += died
            if not died:
                break
    assert deaths > 15, "else it was not tried at each call"


@pytest.mark.parametrize("at", [4, 5])
async def test_a_push_that_died_around_a_record_is_healed(ledger: str | None, at: int) -> None:
    """Before and after the ledger has the first price, as in memory so in a database."""
    async with shop(ledger) as on:
        assert await on.push_and_die(FIRST, at, is_done_first=True)
        assert (1, at - 4) == (len(on.stripe.account.all_kept("price")), len(await on.book.pushed()))
        await on.push(FIRST)
        await on.assert_matches(FIRST)
        assert 2 == len(on.stripe.account.all_kept("price"))


async def test_a_push_that_died_before_the_catalogue_changed_is_healed() -> None:
    """The price that it made and never recorded is recorded, so that whoever bought it at Stripe is credited."""
    for at in range(1, 12):
        async with shop() as on:
            await on.push_and_die(FIRST, at, is_done_first=True)
            await on.push(THEN)
            await on.assert_matches(THEN)


async def test_two_pushes_at_once_end_as_one(ledger: str | None) -> None:
    """Of the same catalogue: each price is made once."""
    async with shop(ledger) as on:
        await asyncio.gather(*(on.push(FIRST) for _ in range(4)))
        await on.assert_matches(FIRST)
        await asyncio.gather(*(on.push(THEN) for _ in range(4)))
        await on.assert_matches(THEN)
        assert 3 == len(on.stripe.account.all_kept("price"))


async def test_terms_that_come_back_are_sold_by_their_old_price() -> None:
    """It is taken out of the archive, with the lookup key."""
    async with shop() as on:
        await on.push(FIRST)
        sold = {one.id for one in await on.book.pushed() if one.is_for_sale}
        await on.push(THEN)
        await on.push(FIRST)
        await on.assert_matches(FIRST)
        assert sold == {one.id for one in await on.book.pushed() if one.is_for_sale}


async def test_a_price_that_was_deleted_or_changed_in_the_dashboard_is_replaced() -> None:
    """Whatever Stripe's idempotency key still answers about it."""
    async with shop() as on:
        await on.push(FIRST)
        (gone,) = [one.id for one in await on.book.for_sale("starter")]
        on.stripe.account.kept("product", "credence_starter")["default_price"] = None
        on.stripe.account.forget("price", gone)
        (changed,) = [one.id for one in await on.book.for_sale("monthly")]
        on.stripe.account.kept("price", changed)["metadata"]["credence_credits"] = "1"
        assert ("starter", "monthly") == await on.pusher(FIRST).drift()
        await on.push(FIRST)
        assert () == await on.pusher(FIRST).drift()
        assert {"starter": [(500, "credence_starter_usd")], "monthly": [(900, "credence_monthly_usd")]} == on.active()
        assert {gone, changed}.isdisjoint({one.id for one in await on.book.pushed() if one.is_for_sale})


async def test_nothing_that_was_never_pushed_has_drifted() -> None:
    """Nor is Stripe asked: the key may lack the permission."""
    async with shop() as on:
        on.stripe.fail_next(status=403)
        assert await on.pusher(FIRST).drift() is None
        with pytest.raises(PermissionMissing):
            await on.push(FIRST)


async def test_customers_buy_while_plans_are_pushed(ledger: str | None) -> None:
    """After each step, and by the old catalogue as by the new one: what is shown is sold, at a price the ledger has."""
    async with shop(ledger) as on:
        await on.push(FIRST)
        steps = 0
        async for _ in on.pusher(THEN).push():
            steps += 1
            for sold in (FIRST, THEN):
                for one in sold.on_sale:
                    item = await buy(on, sold, one, key=f"{steps}-{one.terms.price.amount}")
                    assert one.terms.price.amount == item["amount_total"]
                    known = {price.id: price.sells for price in await on.book.pushed()}
                    assert known.get(item["price"]["id"], *prices_of(one)) == prices_of(one)[0]
        assert steps > 5


async def buy(on: Shop, sold: Catalogue, one: Plan, *, key: str) -> Object:
    """Open a checkout at Stripe for a shop with that catalogue; returns what it sells."""
    world = World(sold.plans.values())
    nobody = MemoryCustomers()
    nobody.refuses = True
    checkouts = CheckoutService(
        checkouts=on.checkouts,
        pages=ReturnPages(success_url="https://shop.test/ok", cancel_url="https://shop.test/"),
        accounts=world.ledger,
        ledger=world.ledger,
        markers=MemorySessionMarkers(world.clock, MemoryQuotaCache()),
        catalogue=sold,
        prices=on.book,
        recorder=world.recorder,
        customers=customers_of(world.ledger, nobody),
        subscriptions=SubscriptionReader(accounts=world.ledger, subscriptions=world.ledger, provider=on.subscriptions),
        reader=AccountReader(accounts=world.ledger, audit=world.ledger.audit, cache=MemoryQuotaCache()),
    )
    opened = await checkouts.start(ADA, email=None, plan_id=one.id, idempotency_key=key, is_repeatable=False)
    (item,) = on.stripe.account.line_items(opened.session_id)
    return item
