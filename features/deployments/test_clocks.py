"""Processes whose clocks differ: what is over is decided by the ledger's clock alone."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from adapters.system.clock import SystemClock
from domain.credits.holds import HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done
from domain.decisions.operations import CaptureHold, GrantCredits, PlaceHold, Spend, VoidHold
from domain.decisions.spending import HoldAlreadySettled
from domain.values.accounts import UserId
from entrypoints.composition import stores, wiring
from entrypoints.services import Services
from entrypoints.settings.reader import read_settings
from features.harness.deployment import Deployment

AHEAD, BEHIND = timedelta(seconds=60), timedelta(seconds=-60)


@contextlib.asynccontextmanager
async def process(deployment: Deployment, url: str, skew: timedelta) -> AsyncIterator[Services]:
    """What one process has, while its clock is so far ahead."""
    settings = read_settings({**deployment.environment, "SUPABASE_DB_URL": url})
    storage = stores.Storage(postgres_url=url, redis_url=str(settings.redis_url))
    with pytest.MonkeyPatch.context() as machine:
        machine.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + skew)
        async with wiring.services(settings, storage) as services:
            yield services


class Ada:
    """A customer with 100 credits, and her holds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.user = UserId("")

    async def sql(self, query: str, *arguments: Any) -> Any:
        connection = await asyncpg.connect(self._url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def sign_up(self, services: Services) -> None:
        self.user = UserId(str(await self.sql("insert into auth.users default values returning id")))
        gift = GrantCredits(
            user_id=self.user,
            credits=100,
            kind=EntryKind.GOODWILL,
            key=uuid.uuid4().hex,
            reason="test",
            operator="Grace",
        )
        assert isinstance(await services.credits.execute(gift), Done)

    async def place(self, services: Services, lasts: timedelta) -> HoldId:
        hold = HoldId(str(uuid.uuid4()))
        place = PlaceHold(hold_id=hold, user_id=self.user, credits=30, key=f"h {hold}", lasts=lasts)
        assert isinstance(await services.credits.execute(place), Done)
        return hold

    async def spend(self, services: Services) -> None:
        assert isinstance(
            await services.credits.execute(Spend(user_id=self.user, credits=1, key=uuid.uuid4().hex)), Done
        )

    async def until_over(self, hold: HoldId) -> None:
        """Until the database's clock has passed the hold's end."""
        query = "select expires_at <= clock_timestamp() from public.credit_holds where id = $1::uuid"
        while not await self.sql(query, hold):
            pass

    async def balance(self) -> tuple[int, int]:
        row = await self.sql(
            "select (credits_balance, credits_held)::text from public.users where id = $1::uuid", self.user
        )
        balance, held = row.strip("()").split(",")
        return int(balance), int(held)


@pytest.mark.parametrize("skew", [AHEAD, BEHIND], ids=["ahead", "behind"])
def test_a_hold_lasts_as_long_as_it_was_given(deployment: Deployment, database_url: str, skew: timedelta) -> None:
    """Placed by a process in step it outlives a spend of one that is ahead, and is over for one that is behind; and
    so it is the other way round.
    """
    settings, ada = {"SUPABASE_DB_URL": database_url}, Ada(database_url)

    async def run() -> None:
        async with process(deployment, database_url, timedelta()) as in_step:
            await ada.sign_up(in_step)
            long = await ada.place(in_step, timedelta(seconds=45))
            short = await ada.place(in_step, timedelta(seconds=1))
        await ada.until_over(short)
        async with process(deployment, database_url, skew) as skewed:
            await ada.spend(skewed)
            assert HoldAlreadySettled(status=HoldStatus.EXPIRED, captured=0) == await skewed.credits.execute(
                CaptureHold(hold_id=short)
            )
            assert (99, 30) == await ada.balance()
            assert isinstance(await skewed.credits.execute(CaptureHold(hold_id=long)), Done)
            theirs = await ada.place(skewed, timedelta(seconds=45))
        async with process(deployment, database_url, timedelta()) as in_step:
            await ada.spend(in_step)
            assert isinstance(await in_step.credits.execute(VoidHold(hold_id=theirs)), Done)

    asyncio.run(run())
    with deployment.serve(**settings) as http:
        deployment.assert_all_agrees(http, {ada.user: 68}, **settings)


@pytest.mark.parametrize("skew", [AHEAD, BEHIND], ids=["ahead", "behind"])
def test_the_worker_expires_what_is_over_and_nothing_else(
    deployment: Deployment, database_url: str, skew: timedelta
) -> None:
    """What the ledger finds overdue is settled by a process of any clock, and what it does not find is left."""
    ada = Ada(database_url)

    async def run() -> None:
        async with process(deployment, database_url, skew) as skewed:
            await ada.sign_up(skewed)
            await ada.place(skewed, timedelta(seconds=45))
            short = await ada.place(skewed, timedelta(seconds=1))
            await ada.until_over(short)
            assert [ada.user] == [*await skewed.credits.execute_overdue()]
            assert [] == [*await skewed.credits.execute_overdue()]
        assert (100, 30) == await ada.balance()

    asyncio.run(run())
