"""Recording a payment on the in-memory adapters, with rivals and failures at the worst moments."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.system.clock import SystemClock
from domain.changes.changes import Change, CommitResult, Snapshot, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.payments.admission import ParkReason
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, Delivery, InboxEvent, Irrelevant, SaleReport
from domain.ports.cache import CacheUnavailable
from domain.ports.ledger import LedgerUnavailable
from domain.tests.examples import ADA, CATALOGUE, FIVE_DOLLARS, run_at_once
from domain.usecases.record_payment import MAX_ATTEMPTS, PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.usecases.refresh_cache import CacheRefresher
from domain.values.accounts import Account
from domain.values.plans import PlanMode


class TroubledLedger(MemoryLedger):
    """The ledger in memory, with something that happens just before, or just after, a commit."""

    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None
    asked: tuple[SnapshotQuery, ...] = ()

    async def read(self, query: SnapshotQuery) -> Snapshot:
        self.asked = (*self.asked, query)
        return await super().read(query)

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        happens, self.before = self.before, None
        if happens is not None:
            happens()
        results = await super().commit(changes)
        happens, self.after = self.after, None
        if happens is not None:
            happens()
        return results


class TroubledCache(MemoryQuotaCache):
    """The cache in memory, which may be away."""

    is_away = False

    async def store(self, account: Account) -> None:
        if self.is_away:
            raise CacheUnavailable("away")
        await super().store(account)


@attrs.define
class World:
    ledger: TroubledLedger
    cache: TroubledCache
    markers: MemorySessionMarkers
    recorder: PaymentRecorder

    def deliver(self, delivery: Delivery) -> Recorded:
        return run_at_once(self.recorder.receive(delivery))

    def balance(self) -> int:
        found = run_at_once(self.ledger.account(ADA))
        assert found is not None
        return found.balance

    def cached(self) -> int | None:
        found = run_at_once(self.cache.find(ADA))
        return found.balance if found else None


@pytest.fixture
def world() -> World:
    clock = SystemClock()
    ledger, cache = TroubledLedger(clock), TroubledCache()
    markers = MemorySessionMarkers(clock, cache)
    ledger.add_user(ADA, "ada@example.com")
    recorder = PaymentRecorder(
        ledger=ledger, cache=cache, markers=markers, payments=MemoryPayments(), catalogue=CATALOGUE, livemode=False
    )
    return World(ledger, cache, markers, recorder)


def delivery(event_id: str, status: PaymentStatus = PaymentStatus.PAID) -> Delivery:
    event = InboxEvent(
        id=event_id,
        type="checkout.session.completed",
        body="{}",
        livemode=False,
        created=datetime(2026, 5, 1, tzinfo=UTC),
        session_id="cs_1",
    )
    sale = SaleReport(
        purchase_id=PurchaseId("pi_1"),
        session_id="cs_1",
        links=frozenset({Link("session:cs_1"), Link("payment_intent:pi_1")}),
        mode=PlanMode.PAYMENT,
        facts=Purchase(payment=status),
        subtotal=FIVE_DOLLARS,
        paid=FIVE_DOLLARS,
        attribution=Attribution(user_reference=ADA, email=None, plan_id="starter"),
    )
    return Delivery(event, sale)


def fail(error: Exception) -> Callable[[], object]:
    def happens() -> object:
        raise error

    return happens


def test_a_payment_is_credited_once(world: World) -> None:
    """The same event, another event, and the same again: one credit, and the cache has it."""
    report = [world.deliver(delivery(event)).status for event in ("evt_1", "evt_1", "evt_2", "evt_1")]
    assert [EventStatus.APPLIED, *[EventStatus.NOTHING_NEW] * 3] == report
    assert (50, 50) == (world.balance(), world.cached())


def test_a_mark_of_what_the_ledger_does_not_have_is_no_answer(world: World) -> None:
    """The mark may be of a ledger that was restored from an older backup: the sale is credited, not taken for done."""
    run_at_once(world.markers.finish("cs_1", "evt_1"))
    assert EventStatus.APPLIED == world.deliver(delivery("evt_1")).status
    assert (50, 50) == (world.balance(), world.cached())


def test_a_new_sale_is_committed_without_reading(world: World) -> None:
    """And so is its repetition; another event of the same sale is read for, once it was refused."""
    assert EventStatus.APPLIED == world.deliver(delivery("evt_1")).status
    recorded = world.deliver(delivery("evt_1"))
    assert (EventStatus.NOTHING_NEW, True, ADA) == (recorded.status, recorded.duplicate, recorded.user_id)
    assert () == world.ledger.asked
    recorded = world.deliver(delivery("evt_2"))
    assert (EventStatus.NOTHING_NEW, False) == (recorded.status, recorded.duplicate)
    assert ["evt_2"] == [query.event_id for query in world.ledger.asked]


def test_a_mark_saves_reading_what_was_decided(world: World) -> None:
    """A duplicate that is marked, of what takes reading, costs the read of its event alone."""
    world.deliver(delivery("evt_1", PaymentStatus.UNPAID))
    world.ledger.asked = ()
    recorded = world.deliver(delivery("evt_1", PaymentStatus.UNPAID))
    assert (EventStatus.NOTHING_NEW, True, ADA) == (recorded.status, recorded.duplicate, recorded.user_id)
    assert (SnapshotQuery(event_id="evt_1"),) == world.ledger.asked


def test_a_rival_in_the_middle_is_merged(world: World) -> None:
    """Another delivery that commits between our reading and our writing makes us decide again, on what it told."""
    world.ledger.before = lambda: world.deliver(delivery("evt_unpaid", PaymentStatus.UNPAID))
    assert EventStatus.APPLIED == world.deliver(delivery("evt_paid")).status
    assert (50, 50) == (world.balance(), world.cached())
    snapshot = run_at_once(world.ledger.read(SnapshotQuery(event_id="evt_paid")))
    assert EventStatus.APPLIED == snapshot.event_status


def test_a_rival_that_reports_the_same_leaves_nothing_to_do(world: World) -> None:
    """Two events of one payment that race are one credit, and both are on record."""
    world.ledger.before = lambda: world.deliver(delivery("evt_1"))
    assert EventStatus.NOTHING_NEW == world.deliver(delivery("evt_2")).status
    assert 50 == world.balance()
    snapshot = run_at_once(world.ledger.read(SnapshotQuery(event_id="evt_2")))
    assert EventStatus.NOTHING_NEW == snapshot.event_status


def test_a_user_who_goes_in_the_middle_is_parked(world: World) -> None:
    """An account that vanishes between reading and writing is decided again, as unknown."""
    world.ledger.before = lambda: world.ledger.accounts.delete(ADA)
    recorded = world.deliver(delivery("evt_1"))
    assert (EventStatus.PARKED, "unknown_user") == (recorded.status, recorded.reason)


def test_rivals_without_end_are_bounded(world: World) -> None:
    """A purchase that changes under every decision is left to the worker, not decided in an endless loop."""
    tries = []

    class Restless(TroubledLedger):
        async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
            tries.append(1)
            (change,) = changes
            if change.revision is None:
                return await super().commit(changes)
            stale = attrs.evolve(change.revision, expected_revision=change.revision.expected_revision + 7)
            return await super().commit([attrs.evolve(change, revision=stale, postings=())])

    restless = Restless(SystemClock())
    restless.add_user(ADA)
    recorder = attrs.evolve(world.recorder, ledger=restless)
    assert EventStatus.RECEIVED == run_at_once(recorder.receive(delivery("evt_1"))).status
    assert 1 + MAX_ATTEMPTS + 1 == len(tries)
    assert EventStatus.RECEIVED == restless.inbox.status("evt_1")
    with pytest.raises(LedgerUnavailable):
        run_at_once(recorder.record(None, delivery("evt_1").report))


def test_an_event_that_names_an_account_is_ours_once_ours_is_known(world: World) -> None:
    """Until then it is of a connected account, and parked; nobody is asked about an event that names none."""
    asked: list[str] = []

    class Recording(MemoryPayments):
        async def account_id(self) -> str | None:
            asked.append("")
            return await super().account_id()

    who = Recording()
    recorder = attrs.evolve(world.recorder, identity=who)
    report = delivery("evt_1")
    named = attrs.evolve(report, event=attrs.evolve(report.event, account="acct_own"))
    ignored = attrs.evolve(named, event=attrs.evolve(named.event, id="evt_2"), report=Irrelevant("not used"))
    run_at_once(recorder.receive(ignored))
    assert [] == asked
    for known in (None, "acct_other"):
        who.own_account = known
        assert ParkReason.CONNECTED_ACCOUNT == run_at_once(recorder.receive(named)).reason
    assert 0 == world.balance()
    who.own_account = "acct_own"
    assert EventStatus.APPLIED == run_at_once(recorder.receive(named)).status
    before = len(asked)
    assert EventStatus.NOTHING_NEW == run_at_once(recorder.receive(delivery("evt_3"))).status
    assert before == len(asked)
    assert 50 == world.balance()


def test_a_copy_that_came_through_meanwhile_answers_for_the_others(world: World) -> None:
    """Who gave up over its rivals finds the event applied by one of them, and the ledger not away."""
    rival = world.recorder

    class Beaten(TroubledLedger):
        async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
            (change,) = changes
            if change.revision is None:
                assert EventStatus.APPLIED == (await rival.record(*report)).status
                return await world.ledger.commit(changes)
            stale = attrs.evolve(change.revision, expected_revision=7)
            return await world.ledger.commit([attrs.evolve(change, revision=stale, postings=())])

    report = (delivery("evt_1").event, delivery("evt_1").report)
    beaten = Beaten(SystemClock())
    beaten.add_user(ADA)
    recorded = run_at_once(attrs.evolve(rival, ledger=beaten).record(*report))
    assert (EventStatus.NOTHING_NEW, True) == (recorded.status, recorded.duplicate)
    assert 50 == world.balance()


def test_nothing_is_marked_before_the_ledger_has_it(world: World) -> None:
    """A write that fails leaves no mark, so the next delivery does all of it."""
    world.ledger.before = fail(LedgerUnavailable("away"))
    with pytest.raises(LedgerUnavailable):
        world.deliver(delivery("evt_1"))
    assert run_at_once(world.markers.begin("cs_1")) is None
    assert (0, None) == (world.balance(), world.cached())
    assert EventStatus.APPLIED == world.deliver(delivery("evt_1")).status
    assert 50 == world.balance()


def test_a_lost_answer_is_made_good_by_the_next_delivery(world: World) -> None:
    """The write took effect but nobody learned of it: the repetition credits nothing, and fills the cache."""
    world.ledger.after = fail(LedgerUnavailable("the answer was lost"))
    with pytest.raises(LedgerUnavailable):
        world.deliver(delivery("evt_1"))
    assert (50, None) == (world.balance(), world.cached())
    recorded = world.deliver(delivery("evt_1"))
    assert (EventStatus.NOTHING_NEW, True) == (recorded.status, recorded.duplicate)
    assert (50, 50) == (world.balance(), world.cached())


def test_a_cache_that_is_away_learns_of_it_later(world: World) -> None:
    """The payment is recorded all the same, and the worker brings the cache the balance once it is back."""
    refresher = CacheRefresher(walk=world.ledger.walk, audit=world.ledger.audit, cache=world.cache)
    assert 1 == run_at_once(refresher.run_once())
    world.cache.is_away = True
    assert EventStatus.APPLIED == world.deliver(delivery("evt_1")).status
    with pytest.raises(CacheUnavailable):
        run_at_once(refresher.run_once())
    world.cache.is_away = False
    assert (50, None) == (world.balance(), world.cached())
    world.ledger.walk._leased_until = 0
    assert 1 == run_at_once(refresher.run_once())
    assert 50 == world.cached()
    assert 0 == run_at_once(refresher.run_once())


async def test_use_cases_wait_for_ports_alone() -> None:
    """What runs here without an event loop runs the same with one."""
    clock = SystemClock()
    ledger = MemoryLedger(clock)
    ledger.add_user(ADA)
    recorder = PaymentRecorder(
        ledger=ledger,
        cache=MemoryQuotaCache(),
        markers=MemorySessionMarkers(clock, MemoryQuotaCache()),
        payments=MemoryPayments(),
        catalogue=CATALOGUE,
        livemode=False,
    )
    assert EventStatus.APPLIED == (await recorder.receive(delivery("evt_1"))).status
