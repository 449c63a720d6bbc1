"""One contract for the record of pushed prices: in memory, over Postgres, and through Supabase's API."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.postgres.price_book import SqlPriceBook
from domain.changes.changes import Change, SnapshotQuery
from domain.payments.line_terms import MadePrice
from domain.ports.price_book import PriceBook
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PlanPrice, PushedPrice


@attrs.frozen
class Setting:
    """A ledger's world, and the price book in it."""

    world: Any
    book: PriceBook


@contextlib.asynccontextmanager
async def on_stage(open_world: Any) -> AsyncIterator[Setting]:
    async with open_world() as world:
        ledger = world.ledger
        book: PriceBook = ledger.prices if isinstance(ledger, MemoryLedger) else SqlPriceBook(ledger._rpc)
        yield Setting(world, book)


def price(plan: str, *, interval: str | None = "month", is_for_sale: bool = True) -> PushedPrice:
    return PushedPrice(
        id=f"price_{uuid.uuid4().hex}",
        product_id=f"credence_{plan}",
        sells=PlanPrice(
            plan_id=PlanId(plan),
            credits=10**12,
            money=Money(amount=900, currency="eur"),
            interval=interval,
            interval_count=3 if interval else 1,
        ),
        is_for_sale=is_for_sale,
    )


def new_plan() -> str:
    return f"plan-{uuid.uuid4().hex}"


async def test_what_is_recorded_is_found_again(open_world: Any) -> None:
    """With all of its terms; of a plan only what is for sale."""
    async with on_stage(open_world) as on:
        plan = new_plan()
        monthly, pack = price(plan), price(plan, interval=None)
        retired, other = price(plan, is_for_sale=False), price(new_plan())
        for one in (monthly, pack, retired, other):
            await on.book.record(one)
        assert sorted((monthly, pack), key=lambda one: one.id) == list(await on.book.for_sale(plan))
        assert {monthly, pack, retired, other} <= set(await on.book.pushed())
        assert () == await on.book.for_sale(new_plan())


async def test_a_price_goes_out_of_sale_and_comes_back(open_world: Any) -> None:
    """It is one price all the time, and its terms stay whatever is said later."""
    async with on_stage(open_world) as on:
        sold = price(new_plan())
        cheaper = attrs.evolve(sold.sells, money=Money(amount=1, currency="eur"))
        await on.book.record(sold)
        await on.book.record(attrs.evolve(sold, is_for_sale=False, sells=cheaper))
        assert () == await on.book.for_sale(sold.sells.plan_id)
        await on.book.record(sold)
        await on.book.record(sold)
        assert (sold,) == await on.book.for_sale(sold.sells.plan_id)


async def test_a_renewal_is_read_with_the_terms_of_its_price(open_world: Any) -> None:
    """A decision about an invoice gets a pushed price by its id, for sale or not."""
    async with on_stage(open_world) as on:
        sold = price(new_plan(), is_for_sale=False)
        await on.book.record(sold)
        read = await on.world.ledger.read(SnapshotQuery(price_ids=frozenset({sold.id})))
        expected = MadePrice(
            id=sold.id,
            plan_id=sold.sells.plan_id,
            credits=10**12,
            unit_amount="900",
            currency="eur",
            interval="month",
            interval_count=3,
        )
        assert (expected,) == read.made_prices


@pytest.mark.parametrize("interval", ["month", None])
async def test_a_price_of_a_checkout_is_kept_and_not_for_sale(open_world: Any, interval: str | None) -> None:
    """An inline price belongs to one checkout; no other may use it."""
    async with on_stage(open_world) as on:
        plan = new_plan()
        made = MadePrice(
            id=f"price_{uuid.uuid4().hex}",
            plan_id=plan,
            credits=5,
            unit_amount="9/2",
            currency="usd",
            interval=interval,
        )
        await on.world.ledger.commit([Change(made_prices=(made,))])
        read = await on.world.ledger.read(SnapshotQuery(price_ids=frozenset({made.id})))
        assert (made,) == read.made_prices
        assert () == await on.book.for_sale(plan)
        assert made.id not in {one.id for one in await on.book.pushed()}
