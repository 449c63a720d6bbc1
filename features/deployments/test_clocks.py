"""Processes whose clocks differ: what is over is decided by one clock, the ledger's or, of rate limits, Redis'."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from adapters.stripe.events import read_event
from adapters.system.clock import SystemClock
from domain.credits.holds import HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done
from domain.decisions.operations import CaptureHold, GrantCredits, PlaceHold, Spend, VoidHold
from domain.decisions.spending import HoldAlreadySettled
from domain.values.accounts import UserId
from entrypoints.composition import parts, stores, wiring
from entrypoints.http.app import create_app
from entrypoints.services import Services
from entrypoints.settings.reader import read_settings
from features.billing.payloads import START, StripePrice, invoice, line
from features.harness.deployment import Deployment, bearer
from features.harness.service import SERVICE_KEY

AHEAD, BEHIND = timedelta(seconds=60), timedelta(seconds=-60)
HOUR = timedelta(hours=1)
GATEWAY_SECRET = "gateway-secret-of-the-clocks"
FREE_PLAN = """
[plans.free]
name = "20 free credits a month"
credits = 20
price = 0
currency = "usd"
mode = "subscription"
interval = "month"
"""


class SkewedClock(SystemClock):
    """A machine's clock that is so far ahead."""

    def __init__(self, skew: timedelta) -> None:
        self._skew = skew

    def now(self) -> datetime:
        return super().now() + self._skew


@contextlib.asynccontextmanager
async def process(deployment: Deployment, url: str, skew: timedelta, **given: str) -> AsyncIterator[Services]:
    """What one process has, while its clock is so far ahead."""
    settings = read_settings({**deployment.environment, "SUPABASE_DB_URL": url, **given})
    storage = stores.Storage(postgres_url=url, redis_url=str(settings.redis_url))
    with pytest.MonkeyPatch.context() as machine:
        machine.setattr(parts, "SystemClock", lambda: SkewedClock(skew))
        async with wiring.services(settings, storage) as services:
            yield services


@contextlib.asynccontextmanager
async def served(deployment: Deployment, url: str, skew: timedelta, **given: str) -> AsyncIterator[httpx.AsyncClient]:
    """What asks such a process by HTTP."""
    given = {"CREDENCE_WORKER": "false", "CREDENCE_GATEWAY_SECRET": GATEWAY_SECRET, **given}
    settings = read_settings({**deployment.environment, "SUPABASE_DB_URL": url, **given})
    async with process(deployment, url, skew, **given) as services:
        app = create_app(contextlib.nullcontext(services), settings)
        async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://it") as http:
            yield http


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
async def test_the_worker_expires_what_is_over_and_nothing_else(
    deployment: Deployment, database_url: str, skew: timedelta
) -> None:
    """What the ledger finds overdue is settled by a process of any clock, and what it does not find is left."""
    ada = Ada(database_url)
    async with process(deployment, database_url, skew) as skewed:
        await ada.sign_up(skewed)
        await ada.place(skewed, timedelta(seconds=45))
        short = await ada.place(skewed, timedelta(seconds=1))
        await ada.until_over(short)
        assert [ada.user] == [*await skewed.credits.execute_overdue()]
        assert [] == [*await skewed.credits.execute_overdue()]
    assert (100, 30) == await ada.balance()


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_what_is_past_is_past_for_every_process(
    deployment: Deployment, database_url: str, skew: timedelta
) -> None:
    """A quota may be asked of the time that it is by the ledger's clock, and of none that is to come by it."""
    ada = Ada(database_url)
    async with process(deployment, database_url, timedelta()) as in_step:
        await ada.sign_up(in_step)
    now = await ada.sql("select clock_timestamp()")
    async with served(deployment, database_url, skew) as http:
        past, to_come = [
            await http.get("/quota", params={"user_id": ada.user, "at": at.isoformat()}, headers=bearer(SERVICE_KEY))
            for at in (now, now + HOUR / 2)
        ]
    assert (200, 100) == (past.status_code, past.json().get("balance"))
    assert (400, "urn:credence:invalid-time") == (to_come.status_code, to_come.json().get("type"))


@pytest.mark.parametrize("skew", [AHEAD, BEHIND], ids=["ahead", "behind"])
async def test_a_rate_is_counted_in_the_same_minute_by_every_process(
    deployment: Deployment, database_url: str, skew: timedelta
) -> None:
    """What one in step has counted is counted for one that is ahead or behind too, which says how long to wait."""
    ada, limit = Ada(database_url), {"CREDENCE_SERVICE_REQUESTS_PER_MINUTE": "3"}
    async with process(deployment, database_url, timedelta()) as in_step:
        await ada.sign_up(in_step)
    async with (
        served(deployment, database_url, timedelta(), **limit) as one,
        served(deployment, database_url, skew, **limit) as other,
    ):
        asked = {"params": {"user_id": ada.user}, "headers": bearer(SERVICE_KEY)}
        answers = [await http.get("/quota", **asked) for http in (one, other, one, other)]
    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("skew", "ends_in", "answer"),
    [(HOUR, HOUR / 2, (409, "urn:credence:already-subscribed")), (-HOUR, -HOUR / 2, (201, None))],
    ids=["ahead", "behind"],
)
async def test_a_free_period_lasts_as_long_as_it_does(
    deployment: Deployment,
    database_url: str,
    tmp_path: Path,
    skew: timedelta,
    ends_in: timedelta,
    answer: tuple[int, object],
) -> None:
    """The plan is the account's while the ledger's clock says so, and may be taken again after that."""
    ada, plans = Ada(database_url), tmp_path / "plans.toml"
    plans.write_text(FREE_PLAN)
    given = {"CREDENCE_PLANS": str(plans)}
    async with process(deployment, database_url, timedelta(), **given) as in_step:
        await ada.sign_up(in_step)
        now = await ada.sql("select clock_timestamp()")
        ends = (now + ends_in - START) / timedelta(days=1)
        bought = line("il_1", 0, StripePrice(id="price_free", amount=0), days=(ends - 30, ends))
        named = {"userId": ada.user, "plan": "free"}
        bill = invoice("in_1", bought, paid=0, reason="subscription_create", metadata=named)
        report = read_event("invoice.paid", bill, now.replace(microsecond=0), retrieved=True)
        assert 20 == (await in_step.checkout.recorder.record(None, report)).credits
    async with served(deployment, database_url, skew, **given) as http:
        shown = {"x-user-id": ada.user, "x-gateway-secret": GATEWAY_SECRET, "Idempotency-Key": uuid.uuid4().hex}
        started = await http.post("/checkout/sessions", json={"plan": "free"}, headers=shown)
    assert answer == (started.status_code, started.json().get("type")), started.text
