"""Two processes charge one card under one key, and each stops at every await: one charge at most, and it is credited.

The use cases are the real ones, on adapters in memory, and some of the schedules on records in a real Postgres, stepped
call by call. The first process stops before its k-th
call, or after it without having heard of it; time passes; the second stops likewise at its j-th; then the first may go
on as if nothing had happened, the second too, and a worker takes the charge to its end.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.selling.customers import LEDGER_ID, MemoryCustomers
from adapters.memory.selling.saved_cards import MemorySavedCards
from domain.changes.inbox import EventStatus
from domain.payments.charges import AuthenticationRequired, Charge, ChargeId, ChargeStatus, Declined, Paid, Undecided
from domain.ports.customers import Customer
from domain.tests.examples import ADA, CATALOGUE, SetClock
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.charge import ChargeService
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.customers import CustomerService
from domain.usecases.tests.memory_customers import NotedCustomers
from domain.values.customers import CustomerId
from features.selling.charge_records import Database, Records, RecordsInMemory, RecordsInPostgres
from simulators.system.stepping import Call, Raised, Returned, SteppedPort, Task, perform

CREDITS = 50
ADAS = Customer(id=CustomerId("cus_1"), user_reference=ADA, ledger_id=LEDGER_ID, email="ada@example.com")
SOON, AFTER_THE_LEASE = timedelta(seconds=1), timedelta(minutes=3)
AFTER_THE_HOUR, AFTER_THE_DAY = timedelta(hours=2), timedelta(hours=25)
GAPS = (SOON, AFTER_THE_LEASE, AFTER_THE_HOUR, AFTER_THE_DAY)


class World:
    """What survives a process."""

    def __init__(self, database: Database | None = None) -> None:
        self.clock = SetClock()
        self.records: Records = (
            RecordsInMemory(self.clock) if database is None else RecordsInPostgres(database, self.clock)
        )
        self.ledger, self.cache = MemoryLedger(self.clock), MemoryQuotaCache()
        self.ledger.add_user(ADA, "ada@example.com")
        self.cards, charges = MemorySavedCards(self.clock), self.records.port
        self.customers = MemoryCustomers()
        self.customers.add(ADAS)
        self.cards.save(ADAS.id, "pm_1")
        self.ports: dict[str, Any] = {
            "ledger": self.ledger,
            "cache": self.cache,
            "markers": MemorySessionMarkers(self.clock, self.cache),
            "payments": MemoryPayments(),
            "cards": self.cards,
            "charges": charges,
            "customers": self.customers,
            "links": self.ledger.customers,
        }

    def attempts(self) -> ChargeAttempts:
        ledger = SteppedPort("ledger")
        recorder = PaymentRecorder(
            ledger=ledger,
            cache=SteppedPort("cache"),
            markers=SteppedPort("markers"),
            payments=SteppedPort("payments"),
            catalogue=CATALOGUE,
            livemode=False,
        )
        return ChargeAttempts(
            records=SteppedPort("charges"),
            cards=SteppedPort("cards"),
            customers=CustomerService(
                links=SteppedPort("links"),
                customers=SteppedPort("customers"),
                accounts=ledger,
                watch=NotedCustomers(),
            ),
            accounts=ledger,
            recorder=recorder,
        )

    def asked(self, number: int) -> Task:
        """A process that is asked under the one key."""
        attempts = self.attempts()
        service = ChargeService(
            records=attempts.records, attempts=attempts, accounts=attempts.accounts, catalogue=CATALOGUE
        )
        charge_id = ChargeId(f"00000000-0000-0000-0000-{number:012}")
        return Task(service.charge(ADA, "starter", key="key-1", charge_id=charge_id))

    def worker(self) -> Task:
        return Task(self.attempts().run_once())

    def let_workers_end(self) -> Charge | None:
        """Let time pass and workers work until nothing is due; return the charge, if it was recorded."""
        charge = self.records.charge()
        for _ in range(24):
            if charge is None or charge.status.is_final:
                break
            self.let_pass(timedelta(hours=2))
            outcome = self.worker().finish(self.ports)
            assert isinstance(outcome, Returned), outcome
            charge = self.records.charge()
        return charge

    def let_pass(self, time: timedelta) -> None:
        self.clock.moment += time
        self.records.let_pass(time)

    def balance(self) -> int:
        return self.ledger.accounts.get(ADA).balance


@attrs.frozen
class Stop:
    """Where a process stops: before its call of that number, or after it, not having heard of it."""

    call: int
    is_performed: bool


def stopped(task: Task, stop: Stop, world: World) -> Any:
    """Run a process to its stop; return the answer that it has not heard yet, None if it ended before."""
    for _ in range(stop.call):
        if task.outcome is not None:
            return None
        task.step(world.ports)
    if task.outcome is None and stop.is_performed and isinstance(task.pause, Call):
        return _Unheard(task, world)
    return None


class _Unheard:
    """A call that was performed, whose answer its process has not heard."""

    def __init__(self, task: Task, world: World) -> None:
        self._task, self._error, self._value = task, None, None
        try:
            self._value = perform(world.ports, task.pause)
        except Exception as error:  # noqa: BLE001 - whatever the port raises is the task's to hear
            self._error = error

    def hear(self) -> None:
        if self._error is not None:
            self._task.fail(self._error)
        else:
            self._task.answer(self._value)


def calls_of(fate: str) -> list[str]:
    """Return the calls that a process makes when nobody disturbs it."""
    world = world_of(fate)
    task, calls = world.asked(1), []
    while task.outcome is None:
        assert isinstance(task.pause, Call)
        calls.append(task.pause.name)
        task.step(world.ports)
    return calls


def world_of(fate: str, database: Database | None = None) -> World:
    world = World(database)
    for name, value in FATES[fate].items():
        setattr(world.cards, name, value)
    return world


def stops(calls: int) -> Iterator[Stop]:
    return (Stop(call, is_performed) for call in range(calls + 1) for is_performed in (False, True))


FATES: dict[str, dict[str, Any]] = {
    "paid": {},
    "paid, with a stored error": {"stores_error": True},
    "paid, late": {"delay": timedelta(seconds=30)},
    "paid, very late": {"delay": timedelta(minutes=10)},
    "a soft decline": {"comes_to": Declined("pi_1", "insufficient_funds", False)},
    "a hard decline": {"comes_to": Declined("pi_1", "lost_card", True)},
    "authentication": {"comes_to": AuthenticationRequired("pi_1")},
    "undecided": {"comes_to": Undecided("pi_charge_1")},
}
ENDS = {
    "paid": ChargeStatus.SUCCEEDED,
    "paid, with a stored error": ChargeStatus.SUCCEEDED,
    "paid, late": ChargeStatus.SUCCEEDED,
    "paid, very late": ChargeStatus.SUCCEEDED,
    "a soft decline": ChargeStatus.DECLINED,
    "a hard decline": ChargeStatus.DECLINED,
    "authentication": ChargeStatus.REQUIRES_ACTION,
    "undecided": ChargeStatus.ABANDONED,
}
SECOND: dict[str, Callable[[World], Task]] = {"asked": lambda world: world.asked(2), "worker": World.worker}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("fate", FATES)
def test_one_charge_at_most_and_it_is_credited(fate: str, second: str) -> None:
    """Whatever two processes do and wherever they stop, and whether they die there or go on later."""
    first_stops = tuple(stops(len(calls_of(fate))))
    seen: set[ChargeStatus | None] = set()
    runs = 0
    for first_stop, gap in itertools.product(first_stops, GAPS):
        for second_stop in stops(16):
            ended = False
            for first_lives, second_lives in ((False, False), (True, False), (True, True)):
                world = world_of(fate)
                ended = play(world, second, first_stop, second_stop, gap, first_lives=first_lives, lives=second_lives)
                charge = world.let_workers_end()
                world.let_pass(AFTER_THE_LEASE)
                world.cards.arrive()
                where = (first_stop, gap, second_stop, first_lives, second_lives)
                assert_sound(world, charge, where)
                seen.add(charge.status if charge else None)
                runs += 1
            if ended and not second_stop.is_performed:
                break  # the second process ends before it stops: later stops are the same
    assert seen <= {None, ENDS[fate], ChargeStatus.ABANDONED}
    assert ENDS[fate] in seen
    assert runs > 500


ON_POSTGRES = ("paid", "paid, with a stored error", "paid, very late", "undecided")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as opened:
        yield opened


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("fate", ON_POSTGRES)
def test_one_charge_at_most_by_the_sql_functions(fate: str, second: str, database: Database) -> None:
    """The first process stops around each of its calls that writes the record or asks for money, the second at each."""
    calls = calls_of(fate)
    first_stops = [stop for stop in stops(len(calls) - 1) if calls[stop.call].startswith(OF_MONEY)]
    seen: set[ChargeStatus | None] = set()
    for first_stop, gap in itertools.product(first_stops, (SOON, AFTER_THE_LEASE, AFTER_THE_DAY)):
        for second_stop in stops(16):
            world = world_of(fate, database)
            ended = play(world, second, first_stop, second_stop, gap, first_lives=True, lives=False)
            charge = world.let_workers_end()
            world.let_pass(AFTER_THE_LEASE)
            world.cards.arrive()
            assert_sound(world, charge, (first_stop, gap, second_stop))
            seen.add(charge.status if charge else None)
            if ended and not second_stop.is_performed:
                break
    assert ENDS[fate] in seen
    assert seen <= {ENDS[fate], ChargeStatus.ABANDONED}


OF_MONEY = ("charges.", "cards.charge")


def play(
    world: World, second: str, first_stop: Stop, second_stop: Stop, gap: timedelta, *, first_lives: bool, lives: bool
) -> bool:
    """Let both processes run to their stops, and on from there if they live; return whether the second had ended."""
    one = world.asked(1)
    unheard = stopped(one, first_stop, world)
    world.let_pass(gap)
    two = SECOND[second](world)
    unheard_too = stopped(two, second_stop, world)
    has_ended = two.outcome is not None
    if first_lives:
        go_on(one, unheard, world)
        world.let_pass(gap)
    if lives:
        go_on(two, unheard_too, world)
    return has_ended


def go_on(task: Task, unheard: Any, world: World) -> None:
    if unheard is not None:
        unheard.hear()
    if task.outcome is None:
        task.finish(world.ports)
    assert isinstance(task.outcome, Returned), task.outcome


def assert_sound(world: World, charge: Charge | None, where: object) -> None:
    """Assert that one payment at most was made, that what was taken is credited, and that the record says so."""
    taken, payments = len(world.cards.taken), len(world.cards.payments)
    assert payments <= 1, where
    assert taken * CREDITS == world.balance(), where
    assert charge is None or charge.status.is_final, where
    assert (taken == 1) == (charge is not None and charge.status is ChargeStatus.SUCCEEDED), where
    assert charge is not None or payments == 0, where


def test_a_user_who_is_deleted_at_any_await_is_charged_for_nothing_at_most_unclearly() -> None:
    """Not at all, or what was charged is credited or parked: no charge succeeded whose credits nobody ever had."""
    calls = calls_of("paid")
    ends = []
    for place in range(len(calls) + 1):
        world = World()
        task = world.asked(1)
        for _ in range(place):
            task.step(world.ports)
        world.ledger.delete_user(ADA)
        task.finish(world.ports)
        charge = world.let_workers_end()
        status = charge.status if charge is not None else None
        parked = [*world.ledger.inbox.statuses().values()]
        match status:
            case ChargeStatus.SUCCEEDED:
                assert (1, []) == (len(world.cards.taken), parked), calls[:place]
                assert "ledger.commit" in calls[:place]
            case ChargeStatus.CHARGING:
                assert charge is not None
                assert (1, [EventStatus.PARKED]) == (len(world.cards.taken), parked), calls[:place]
                assert world.cards.payments[0].id == charge.payment_intent
            case _:
                assert ([], []) == (world.cards.payments, parked), calls[:place]
                assert calls.index("cards.charge") >= place
        ends.append(status)
    assert {None, ChargeStatus.ABANDONED, ChargeStatus.CHARGING, ChargeStatus.SUCCEEDED} == {*ends}


def test_a_request_that_wakes_after_days_is_not_sent() -> None:
    """A process slept before its request; meanwhile a worker charged the card, and Stripe forgot the key."""
    world = World()
    asleep = world.asked(1)
    while not (isinstance(asleep.pause, Call) and asleep.pause.name == "cards.charge"):
        asleep.step(world.ports)
    world.let_pass(AFTER_THE_LEASE)
    worked = world.worker().finish(world.ports)
    assert isinstance(worked, Returned)
    assert ChargeStatus.SUCCEEDED is worked.value.status
    assert CREDITS == world.balance()
    world.let_pass(timedelta(days=3))
    woken = asleep.finish(world.ports)
    assert isinstance(woken, Returned)
    assert ChargeStatus.SUCCEEDED == woken.value.charge.status
    assert (1, CREDITS) == (len(world.cards.payments), world.balance())


def test_what_no_payment_was_made_for_is_abandoned_after_a_day() -> None:
    """Until then it is unclear, and nothing more is sent after an hour; then it is said for certain."""
    world = World()
    first = world.asked(1)
    while not (isinstance(first.pause, Call) and first.pause.name == "cards.charge"):
        first.step(world.ports)
    first.die()
    world.cards.is_away = True
    world.let_pass(timedelta(minutes=59))
    world.worker().finish(world.ports)
    world.cards.is_away = False
    statuses = []
    for _ in range(13):
        world.let_pass(timedelta(hours=2))
        world.worker().finish(world.ports)
        charge = world.records.charge()
        assert charge is not None
        statuses.append(charge.status)
    assert [ChargeStatus.CHARGING] * 11 + [ChargeStatus.ABANDONED] * 2 == statuses
    assert [] == world.cards.payments
    again = world.asked(2).finish(world.ports)
    assert isinstance(again, Returned)
    assert (ChargeStatus.ABANDONED, "never_made", True) == (
        again.value.charge.status,
        again.value.charge.code,
        again.value.is_repeated,
    )


def test_a_ledger_that_is_away_afterwards_is_no_refusal() -> None:
    """The card was charged when the ledger went: the caller is told that a change may have been made."""
    from domain.ports.ledger import LedgerUnavailable, LedgerUntouched

    world = World()
    task = world.asked(1)
    while not world.cards.taken:
        task.step(world.ports)
    while task.outcome is None:
        task.fail(LedgerUntouched("away"))
    assert isinstance(task.outcome, Raised)
    assert LedgerUnavailable is type(task.outcome.error)
    charge = world.let_workers_end()
    assert charge is not None
    assert isinstance(world.cards.payments[0].outcome, Paid)
    assert (ChargeStatus.SUCCEEDED, CREDITS) == (charge.status, world.balance())
