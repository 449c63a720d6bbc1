"""The worker on in-memory parts: what it does by itself, and what does not stop it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.selling.charges import MemoryCharges
from adapters.memory.selling.saved_cards import MemorySavedCards
from domain.changes.inbox import EventStatus
from domain.payments.charges import ChargeId, NewCharge
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, Delivery, InboxEvent, SaleReport
from domain.tests.examples import ADA, CATALOGUE, FIVE_DOLLARS, NOON, STARTER, SetClock
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.monitor import Monitor
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.refresh_cache import CacheRefresher
from domain.usecases.retry_inbox import BATCH, InboxRetrier
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.tests.memory_customers import customers_of
from domain.values.plans import PlanMode
from entrypoints.services import Services
from entrypoints.worker import run_worker


@attrs.define
class Bodies:
    """Translates by a table; a body that is not in it trips the translation up."""

    report: dict[str, Delivery]

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        return self.report[body.decode()]

    def read(self, body: str) -> Delivery:
        return self.report[body]


@attrs.frozen(kw_only=True)
class Needed:
    """What the worker needs of the services."""

    worker: OutboxWorker
    refresher: CacheRefresher
    inbox_retrier: InboxRetrier
    charge_attempts: ChargeAttempts
    reconciler: Reconciler
    monitor: Monitor


class World:
    def __init__(self) -> None:
        self.clock, self.payments, self.bodies = SetClock(), MemoryPayments(), Bodies({})
        self.ledger, self.cache = MemoryLedger(self.clock), MemoryQuotaCache()
        recorder = PaymentRecorder(
            ledger=self.ledger,
            cache=self.cache,
            markers=MemorySessionMarkers(self.clock, self.cache),
            payments=self.payments,
            catalogue=CATALOGUE,
            livemode=False,
        )
        self.recorder = recorder
        inbox = self.ledger.inbox
        self.charges, self.cards = MemoryCharges(self.clock), MemorySavedCards(self.clock)
        customers = customers_of(self.ledger)
        self.needed = Needed(
            worker=OutboxWorker(outbox=self.ledger.outbox, invoices=self.payments, customers=customers),
            refresher=CacheRefresher(walk=self.ledger.walk, audit=self.ledger.audit, cache=self.cache),
            inbox_retrier=InboxRetrier(inbox=inbox, deliveries=self.bodies, history=self.payments, recorder=recorder),
            charge_attempts=ChargeAttempts(
                records=self.charges,
                cards=self.cards,
                customers=customers,
                accounts=self.ledger,
                recorder=recorder,
            ),
            reconciler=Reconciler(history=self.payments, inbox=inbox, recorder=recorder),
            monitor=Monitor(ledger=self.ledger, cache=self.cache, backlogs=self.ledger),
        )

    def delivery(self, event_id: str, payment: str) -> Delivery:
        event = InboxEvent(id=event_id, type="a.type", body=event_id, livemode=False, created=NOON)
        sale = SaleReport(
            purchase_id=PurchaseId(payment),
            links=frozenset({Link(f"payment_intent:{payment}")}),
            mode=PlanMode.PAYMENT,
            facts=Purchase(payment=PaymentStatus.PAID),
            subtotal=FIVE_DOLLARS,
            paid=FIVE_DOLLARS,
            attribution=Attribution(user_reference=ADA, plan_id="starter"),
        )
        self.bodies.report[event_id] = Delivery(event, sale)
        return self.bodies.report[event_id]

    async def work(self, until: Any, *, reconcile_every: timedelta | None = None) -> None:
        """Let the worker run until something holds; bounded by the turns of the loop."""
        running = asyncio.create_task(run_worker(cast("Services", self.needed), reconcile_every=reconcile_every))
        for _ in range(1000):
            if until():
                break
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,))


@pytest.fixture
def world() -> World:
    return World()


async def test_one_bad_event_does_not_keep_the_others_waiting(world: World) -> None:
    """It is failed with its reason, and what waited behind it is applied once its cause is gone."""
    for place, event_id in enumerate(("evt_1", "evt_2", "evt_3")):
        await world.recorder.receive(world.delivery(event_id, f"pi_{place}"))
    del world.bodies.report["evt_1"]
    world.ledger.add_user(ADA)
    await world.ledger.inbox.make_all_due()
    await world.work(lambda: world.ledger.inbox.status("evt_3") is EventStatus.APPLIED)
    statuses = [world.ledger.inbox.status(event_id) for event_id in ("evt_1", "evt_2", "evt_3")]
    assert [EventStatus.FAILED, EventStatus.APPLIED, EventStatus.APPLIED] == statuses
    kept = await world.ledger.inbox.find("evt_1")
    assert kept is not None
    assert "unexpected KeyError; see the log" == kept.reason


async def test_what_was_left_of_charges_is_ended(world: World) -> None:
    """One after the other, whatever becomes of each; and each customer is charged once."""
    world.ledger.add_user(ADA)
    customer = await world.needed.charge_attempts.customers.customer_of(ADA, None)
    world.cards.save(customer, "pm_1")
    for number in range(3):
        wanted = NewCharge(
            id=ChargeId(f"charge {number}"), key=f"key {number}", user_id=ADA, plan_id=STARTER.id, terms=STARTER.terms
        )
        await world.charges.create(wanted, lease=timedelta(0))
    await world.work(lambda: all(one.status.is_final for one in world.charges.all()))
    assert ["charge 0", "charge 1", "charge 2"] == [*world.cards.taken]
    account = await world.ledger.account(ADA)
    assert account is not None
    assert 150 == account.balance


async def test_neither_new_events_nor_old_ones_wait_for_all_others(world: World) -> None:
    """Of a backlog the worker takes a batch of the newest, then one of those that are longest due."""
    ids = [f"evt_{number:03}" for number in range(3 * BATCH)]
    for number, event_id in enumerate(ids):
        world.clock.moment = NOON + timedelta(seconds=number)
        await world.recorder.receive(world.delivery(event_id, f"pi_{number}"))
    world.ledger.add_user(ADA)
    world.clock.moment = NOON + timedelta(hours=2)
    await world.work(lambda: all(world.ledger.inbox.status(id_) is EventStatus.APPLIED for id_ in ids))
    record = await world.ledger.audit.record_of(ADA)
    assert record is not None
    newest, oldest = range(3 * BATCH - 1, 2 * BATCH - 1, -1), range(BATCH)
    expected = [f"pi_{number}" for number in (*newest, *oldest)]
    assert expected == [entry.posting.purchase_id for entry in record.entries][: 2 * BATCH]


async def test_the_worker_reconciles_by_itself(world: World) -> None:
    """What never arrived is applied on its schedule, also after Stripe was away."""
    world.ledger.add_user(ADA)
    delivery = world.delivery("evt_1", "pi_1")
    world.payments.remember(attrs.evolve(delivery, event=attrs.evolve(delivery.event, created=datetime.now(UTC))))
    arrived = lambda: world.ledger.inbox.status("evt_1") is EventStatus.APPLIED  # noqa: E731 - asked again
    await world.work(arrived, reconcile_every=None)
    assert not arrived()
    await world.work(arrived, reconcile_every=timedelta(0))
    assert arrived()


async def test_the_worker_refreshes_the_cache(world: World) -> None:
    """Of what changed since it began, though whoever changed it stored nothing."""
    world.ledger.add_user(ADA)
    await world.work(lambda: world.ledger.walk._mark is not None)
    await world.recorder.receive(world.delivery("evt_1", "pi_1"))
    world.cache.flush()
    await world.work(lambda: world.ledger.walk.left() == 0)
    copy = await world.cache.find(ADA)
    assert copy is not None
    assert 50 == copy.balance
