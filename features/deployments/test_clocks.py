"""Processes whose clocks differ: what is over is decided by one clock, the ledger's or, of rate limits, Redis'.

What was looked up at Stripe is dated by Stripe's clock, as its events are.
"""

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
from features.harness.deployment import PACK, Deployment, bearer
from features.harness.service import SERVICE_KEY
from features.real_parts import sign_up
from simulators.stripe.objects import Object

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


class FaketimeMissing(Exception):
    """Debian's libfaketime is not on this machine; `.ci/run` installs it."""


def skewed(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock, for all that is in it, is so many seconds ahead, or behind.

    How long it waits is not skewed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise FaketimeMissing("install Debian's package faketime, as .ci/run does")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


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
        deployment.buy(http, ada.user)
        deployment.assert_all_agrees(http, {ada.user: 68 + PACK}, **settings)


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


def elsewhere(deployment: Deployment, http: httpx.Client, user: str) -> tuple[str, list[Object]]:
    """A subscription whose metadata only its session has, and its events: its invoice has to be looked up."""
    stripe, before = deployment.stripe, len(deployment.stripe.events)
    session = deployment.paid(http, user, "monthly")["data"]["object"]
    stripe.account.kept("subscription", session["subscription"])["metadata"] = {}
    stripe.account.kept("invoice", session["invoice"])["_subscription_metadata"] = {}
    made = stripe.events[before:]
    for event in made:
        about = event["data"]["object"]
        if about["object"] == "subscription":
            about["metadata"] = {}
        if about["object"] == "invoice":
            about["parent"]["subscription_details"]["metadata"] = {}
            for line in about["lines"]["data"]:
                line["metadata"] = {}
    return str(session["subscription"]), made


def named(events: list[Object], kind: str) -> Object:
    return next(event for event in events if event["type"] == kind)


async def status_of(ada: Ada, subscription: str) -> str | None:
    found: str | None = await ada.sql("select status from public.subscriptions where id = $1", subscription)
    return found


def test_the_end_of_a_subscription_is_not_undone_by_a_look_up_that_was_ahead(
    deployment: Deployment, database_url: str
) -> None:
    """What a process that is ahead looks up is not newer than what Stripe reports afterwards."""
    settings, ada = signed_up(database_url)
    with deployment.serve(**settings, **skewed(60)) as http:
        subscription, events = elsewhere(deployment, http, ada.user)
        assert 200 == deployment.deliver(http, named(events, "invoice.paid"))
        assert "active" == asyncio.run(status_of(ada, subscription)), "it was looked up"
        ended = deployment.stripe.account.billing.cancel(subscription)
        assert 200 == deployment.deliver(http, named(ended, "customer.subscription.deleted"))
        assert "canceled" == asyncio.run(status_of(ada, subscription))


def signed_up(database_url: str) -> tuple[dict[str, str], Ada]:
    """The settings of processes on the database, and a user there."""
    ada = Ada(database_url)
    ada.user = UserId(asyncio.run(sign_up(database_url)))
    return {"SUPABASE_DB_URL": database_url}, ada


def disputed(deployment: Deployment, http: httpx.Client, user: str) -> tuple[str, Object]:
    """A dispute about a pack that the user bought, and the first of its events, which is not delivered yet."""
    paid = deployment.paid(http, user)
    assert 200 == deployment.deliver(http, paid)
    opened = deployment.stripe.account.reversals.dispute(paid["data"]["object"]["payment_intent"])[0]
    return str(opened["data"]["object"]["id"]), opened


def reconciled(deployment: Deployment, **settings: str) -> str:
    """What a reconciliation says."""
    code, said = deployment.command("reconcile", "--since", "1d", **settings)
    assert 0 == code, said
    return said


def test_a_dispute_that_was_found_by_a_clock_ahead_is_won_by_a_later_event(
    deployment: Deployment, database_url: str
) -> None:
    """Its credits are taken when it is found, and come back when it is won."""
    settings, ada = signed_up(database_url)
    with deployment.serve(**settings) as http:
        dispute, _ = disputed(deployment, http, ada.user)
        # Listed soon after its events, it may say nothing more than they do.
        assert "dispute" in reconciled(deployment, **settings, **skewed(60))
        assert (0, 0) == asyncio.run(ada.balance())
        closed = deployment.stripe.account.reversals.close_dispute(dispute, "won")[0]
        assert 200 == deployment.deliver(http, closed)
        assert (PACK, 0) == asyncio.run(ada.balance())
    assert 0 == deployment.command("check", **settings)[0]


def test_a_dispute_that_is_found_by_a_clock_behind_is_newer_than_its_event(
    deployment: Deployment, database_url: str
) -> None:
    """An event of 30 seconds ago says less than the object itself, whose later events Stripe does not list."""
    settings, ada = signed_up(database_url)
    with deployment.serve(**settings) as http:
        account = deployment.stripe.account
        account.set_clock(account.now() - 30)
        dispute, event = disputed(deployment, http, ada.user)
        assert 200 == deployment.deliver(http, event)
        assert (0, 0) == asyncio.run(ada.balance())
        listed = len(account.events)
        account.reversals.close_dispute(dispute, "lost")
        del account.events[listed:]
        account.set_clock(account.now() + 30)
        assert dispute in reconciled(deployment, **settings, **skewed(-60))
        kept = asyncio.run(ada.sql("select facts::text from public.purchases"))
        assert (True, False) == ('"lost"' in kept, '"needs_response"' in kept), kept
    assert 0 == deployment.command("check", **settings)[0]
