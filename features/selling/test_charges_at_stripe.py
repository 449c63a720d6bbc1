"""Two processes charge one card by the real stripe package and a real Postgres, and die at every await.

The stand-in counts the money.

The first process dies before or after one of its calls, the second likewise after the first one's lease, and a third
takes the charge to its end. Meanwhile Stripe loses an answer, stores an error, or declines. At last Stripe's event
arrives too.
"""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.stripe.connection import StripeConnection
from adapters.stripe.customers import StripeCustomers
from adapters.stripe.lookup import StripeLookup
from adapters.stripe.saved_cards import StripeSavedCards
from adapters.stripe.webhooks import StripeWebhooks
from domain.payments.charges import ChargeId, ChargeStatus
from domain.tests.examples import ADA, CATALOGUE, SetClock
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.charge import ChargeService
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.customers import CustomerService
from domain.usecases.tests.memory_customers import NotedCustomers, customers_of
from features.selling.charge_records import Database, RecordsInPostgres
from simulators.stripe.api import NO_ANSWER
from simulators.stripe.resources.payment_methods import save
from simulators.stripe.stand_in import StripeStandIn

CREDITS = 50
CREATE = "/v1/payment_intents"
AFTER_THE_LEASE = timedelta(minutes=3)


class Killed(BaseException):
    """The process is gone: nothing that it awaits has an effect any more."""


@attrs.define
class Stop:
    """A process dies before a call of this name, or after it without having heard of it; None: it lives."""

    call: str | None
    is_performed: bool = False
    is_dead: bool = False


class Mortal:
    """A port as one process has it."""

    def __init__(self, name: str, port: Any, stop: Stop, seen: list[str]) -> None:
        self._name, self._port, self._stop, self._seen = name, port, stop, seen

    def __getattr__(self, method: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **keywords: Any) -> Any:
            name = f"{self._name}.{method}"
            self._seen.append(name)
            name = f"{name} {self._seen.count(name)}"
            if self._stop.is_dead or (name == self._stop.call and not self._stop.is_performed):
                self._die()
            answer = await getattr(self._port, method)(*arguments, **keywords)
            if name == self._stop.call:
                self._die()
            return answer

        return call

    def _die(self) -> None:
        self._stop.is_dead = True
        raise Killed


class World:
    """Ada, whose card Stripe has; what survives a process."""

    def __init__(self, stripe: StripeStandIn, connection: StripeConnection, database: Database) -> None:
        self.stripe, self.clock = stripe, SetClock(datetime.now(UTC))
        self.records = RecordsInPostgres(database, self.clock)
        self.ledger, self.cache = MemoryLedger(self.clock), MemoryQuotaCache()
        self.user = ADA
        self.ledger.add_user(ADA, "ada@example.com")
        self.markers = MemorySessionMarkers(self.clock, self.cache)
        self.cards = StripeSavedCards(connection, self.clock)
        self.customers, self.lookup = StripeCustomers(connection), StripeLookup(connection)
        self.before = len(self.taken)
        self.events = len(stripe.events)

    @property
    def taken(self) -> list[int]:
        return [one["amount"] for one in self.stripe.account.all_kept("charge") if one["status"] == "succeeded"]

    def let_pass(self, time: timedelta) -> None:
        self.clock.moment += time
        self.records.let_pass(time)
        self.stripe.account.set_clock(self.stripe.account.now() + int(time.total_seconds()))

    def attempts(self, stop: Stop, seen: list[str]) -> ChargeAttempts:
        def port(name: str, real: Any) -> Any:
            return Mortal(name, real, stop, seen)

        ledger = port("ledger", self.ledger)
        recorder = PaymentRecorder(
            ledger=ledger,
            cache=port("cache", self.cache),
            markers=port("markers", self.markers),
            payments=port("payments", self.lookup),
            catalogue=CATALOGUE,
            livemode=False,
        )
        return ChargeAttempts(
            records=port("charges", self.records.port),
            cards=port("cards", self.cards),
            customers=CustomerService(
                links=port("links", self.ledger.customers),
                customers=port("customers", self.customers),
                accounts=ledger,
                watch=NotedCustomers(),
            ),
            accounts=ledger,
            recorder=recorder,
        )

    async def ask(self, stop: Stop) -> list[str]:
        """Let a process be asked to charge until it dies or answers; return its calls."""
        seen: list[str] = []
        attempts = self.attempts(stop, seen)
        service = ChargeService(
            records=attempts.records, attempts=attempts, accounts=attempts.accounts, catalogue=CATALOGUE
        )
        with contextlib.suppress(Killed):
            await service.charge(ADA, "starter", key="key-1", charge_id=ChargeId(new_id()))
        return seen

    async def let_workers_end(self) -> ChargeStatus | None:
        attempts = self.attempts(Stop(None), [])
        for _ in range(5):
            self.let_pass(timedelta(hours=6))
            await attempts.run_once()
        charge = self.records.charge()
        return charge.status if charge else None

    async def deliver_events(self) -> None:
        """Let Stripe's events arrive, twice each."""
        recorder = self.attempts(Stop(None), []).recorder
        webhooks = StripeWebhooks(secrets=("whsec_1",), clock=self.clock)
        for event in self.stripe.events[self.events :]:
            if event["type"] == "payment_intent.succeeded":
                for _ in range(2):
                    await recorder.receive(webhooks.read(json.dumps(event)))

    def balance(self) -> int:
        return self.ledger.accounts.get(ADA).balance


_NUMBERS = itertools.count(1)


def new_id() -> str:
    return f"00000000-0000-0000-0000-{next(_NUMBERS):012}"


FATES: dict[str, tuple[dict[str, Any] | None, str | None, ChargeStatus]] = {
    "paid": (None, None, ChargeStatus.SUCCEEDED),
    "a lost answer": ({"status": NO_ANSWER, "is_applied": True}, None, ChargeStatus.SUCCEEDED),
    "an error stored over a payment": ({"is_stored": True, "is_applied": True}, None, ChargeStatus.SUCCEEDED),
    "an error stored over nothing": ({"is_stored": True}, None, ChargeStatus.ABANDONED),
    "an outage": ({"status": 503}, None, ChargeStatus.SUCCEEDED),
    "a soft decline": (None, "insufficient_funds", ChargeStatus.DECLINED),
}


@pytest.fixture
async def new_world(database_url: str) -> AsyncIterator[Callable[[str], Any]]:
    with StripeStandIn(seed=7, webhook_secret="whsec_1") as stripe, Database(database_url) as database:
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url, retries=0)
        async with contextlib.aclosing(connection):

            async def make(fate: str) -> World:
                world = World(stripe, connection, database)
                fault, decline, _ = FATES[fate]
                customers = customers_of(world.ledger, world.customers)  # type: ignore[arg-type]
                customer = await customers.customer_of(ADA, "ada@example.com")
                for old in stripe.account.all_kept("payment_method"):
                    old["customer"] = None
                save(stripe.account, customer, decline=decline)
                if fault is not None:
                    stripe.fail_next(path=CREATE, **fault)
                return world

            yield make


def stops(calls: list[str]) -> list[tuple[str, bool]]:
    """Return each call of a process with its number, before and after it."""
    numbered = [f"{name} {calls[: place + 1].count(name)}" for place, name in enumerate(calls)]
    return [(name, after) for name in numbered for after in (False, True)]


OF_THE_FIRST = ("charges.begin", "cards.charge", "ledger.commit", "charges.finish")
OF_THE_SECOND = ["cards.find", "cards.charge", "charges.finish"]


@pytest.mark.parametrize("fate", FATES)
async def test_whoever_dies_the_card_is_charged_once_at_most(fate: str, new_world: Callable[[str], Any]) -> None:
    """The first dies at every await, the second at each that matters to money, the third ends it."""
    whole = await (await new_world(fate)).ask(Stop(None))
    assert "cards.charge" in whole
    ends: set[ChargeStatus | None] = set()
    for first in stops(whole):
        matters = first[0].startswith(OF_THE_FIRST)
        for second in [(None, False), *(stops(OF_THE_SECOND) if matters else [])]:
            world: World = await new_world(fate)
            await world.ask(Stop(*first))
            world.let_pass(AFTER_THE_LEASE)
            await world.ask(Stop(*second))
            status = await world.let_workers_end()
            await world.deliver_events()
            taken = world.taken[world.before :]
            assert taken in ([], [500]), (first, second)
            assert len(taken) * CREDITS == world.balance(), (first, second)
            assert (taken == [500]) == (status is ChargeStatus.SUCCEEDED), (first, second, status)
            ends.add(status)
    assert ends <= {FATES[fate][2], ChargeStatus.ABANDONED}
    assert FATES[fate][2] in ends
