"""A shop whose catalogue is pushed to simulated Stripe by the real adapter; its ledger is in memory or a database."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs

from adapters.memory.selling.price_book import MemoryPriceBook
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.price_book import SqlPriceBook
from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection
from adapters.stripe.products import StripeProducts
from adapters.stripe.subscription_changes import StripeSubscriptionChanges
from domain.ports.price_book import PriceBook
from domain.usecases.selling.push_plans import PlanPusher, PushStep
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode, Terms
from domain.values.prices import prices_of
from simulators.stripe.stand_in import StripeStandIn


def plan(id_: str, credits_: int, price: int, interval: str | None = None, **how: Any) -> Plan:
    """Return a plan in dollars."""
    return Plan(
        id=PlanId(id_),
        name=f"{credits_} credits",
        terms=Terms(credits=credits_, price=Money(amount=price, currency="usd")),
        mode=PlanMode.SUBSCRIPTION if interval else PlanMode.PAYMENT,
        interval=interval,
        **how,
    )


def catalogue(*plans: Plan) -> Catalogue:
    """Return the catalogue of these plans."""
    return Catalogue({one.id: one for one in plans})


class Died(Exception):
    """The process was killed."""


@attrs.define
class Mortal:
    """Something whose process dies at a call: before it, or once it is done, with its answer lost."""

    of: Any
    clock: list[int]
    """Counts down with each call; shared by all that die together."""
    is_done_first: bool = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.of, name)

        async def called(*arguments: Any, **named: Any) -> Any:
            self.clock[0] -= 1
            if self.clock[0] == 0 and not self.is_done_first:
                raise Died
            answer = await method(*arguments, **named)
            if self.clock[0] == 0:
                raise Died
            return answer

        return called


@attrs.frozen
class Shop:
    """A Stripe account, and the ledger's record of what was pushed to it."""

    stripe: StripeStandIn
    products: StripeProducts
    checkouts: StripeCheckouts
    subscriptions: StripeSubscriptionChanges
    book: PriceBook

    async def push(self, sold: Catalogue, *, dry_run: bool = False) -> list[PushStep]:
        """Push a catalogue; returns what was done."""
        return [step async for step in self.pusher(sold).push(dry_run=dry_run)]

    def pusher(self, sold: Catalogue) -> PlanPusher:
        """Return a push of that catalogue."""
        return PlanPusher(catalogue=sold, provider=self.products, prices=self.book)

    async def push_and_die(self, sold: Catalogue, at: int, *, is_done_first: bool) -> bool:
        """Push a catalogue, and die at a call; returns whether there were that many."""
        clock = [at]
        provider, prices = (Mortal(one, clock, is_done_first) for one in (self.products, self.book))
        try:
            async for _ in PlanPusher(catalogue=sold, provider=provider, prices=prices).push():
                pass
        except Died:
            return True
        return False

    def active(self) -> dict[str, list[tuple[int, str]]]:
        """Return what Stripe sells now: of each active product the amounts of active prices, with their keys."""
        account = self.stripe.account
        return {
            product["metadata"]["credence_plan"]: sorted(
                (price["unit_amount"], price["lookup_key"] or "")
                for price in account.all_kept("price")
                if price["active"] and price["product"] == product["id"]
            )
            for product in account.all_kept("product")
            if product["active"]
        }

    async def assert_matches(self, sold: Catalogue) -> None:
        """Assert that exactly the catalogue is for sale, at Stripe and in the ledger, which knows every price."""
        on_sale = {
            one.id: sorted((price.money.amount, price.lookup_key) for price in prices_of(one)) for one in sold.on_sale
        }
        assert on_sale == self.active()
        pushed = await self.book.pushed()
        wanted = sorted(repr(price) for one in sold.on_sale for price in prices_of(one))
        assert wanted == sorted(repr(one.sells) for one in pushed if one.is_for_sale)
        assert {price["id"] for price in self.stripe.account.all_kept("price")} == {one.id for one in pushed}


@contextlib.asynccontextmanager
async def shop(database_url: str | None = None) -> AsyncIterator[Shop]:
    """Open a shop, whose ledger is the one in the database if there is one."""
    with StripeStandIn(seed=11) as stripe:
        async with contextlib.AsyncExitStack() as open_:
            connection = StripeConnection(api_key="sk_test_of_the_shop", api_base=stripe.url, retries=0)
            await open_.enter_async_context(contextlib.aclosing(connection))
            book: PriceBook = MemoryPriceBook()
            if database_url is not None:
                rpc = await open_.enter_async_context(contextlib.aclosing(PostgresRpc(database_url)))
                book = SqlPriceBook(rpc)
            products, checkouts = StripeProducts(connection), StripeCheckouts(connection)
            yield Shop(stripe, products, checkouts, StripeSubscriptionChanges(connection), book)
