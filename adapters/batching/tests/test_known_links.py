"""Links that this process wrote: a sale that has one can't be new, and is not tried as one."""

from collections.abc import Sequence

import attrs

from adapters.batching.group_commit import GroupCommit
from adapters.batching.known_links import KnownLinks
from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.system.clock import SystemClock
from adapters.tests.written import buying, event
from domain.changes.changes import Change, CommitResult, Conflict, Snapshot, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Delivery, InboxEvent, PaymentReport
from domain.tests.examples import ADA, CATALOGUE
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.tests.payment_world import SALE


class CountingLedger(MemoryLedger):
    """The ledger in memory, which takes many requests at once and counts its calls."""

    calls: tuple[str, ...] = ()

    async def read_all(self, queries: Sequence[SnapshotQuery]) -> tuple[Snapshot, ...]:
        self.calls = (*self.calls, "read")
        return tuple([await self.read(query) for query in queries])

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        self.calls = (*self.calls, "commit")
        return await super().commit(changes)


def delivered(event_id: str) -> InboxEvent:
    return InboxEvent(id=event_id, type="a.type", body="{}", livemode=False)


async def test_a_payment_that_came_first_spares_the_refusal() -> None:
    """The session's event is read for at once; a new sale, and a repetition of one, still take one commit."""
    ledger, clock, cache = CountingLedger(SystemClock()), SystemClock(), MemoryQuotaCache()
    ledger.add_user(ADA)
    group = GroupCommit(ledger)
    recorder = PaymentRecorder(
        ledger=group,
        cache=cache,
        markers=MemorySessionMarkers(clock, cache),
        payments=MemoryPayments(),
        catalogue=CATALOGUE,
        livemode=False,
        recent=group.recent_links,
    )
    paid = PaymentReport(
        purchase_id=PurchaseId("pi_1"),
        links=frozenset({Link("payment_intent:pi_1")}),
        facts=Purchase(payment=PaymentStatus.PAID),
        ours=True,
    )
    other = attrs.evolve(
        SALE, purchase_id=PurchaseId("pi_2"), session_id="cs_2", links=frozenset({Link("session:cs_2")})
    )
    deliveries = [("evt_1", paid), ("evt_2", SALE), ("evt_3", other), ("evt_3", other)]
    statuses, calls = [], []
    for event_id, report in deliveries:
        ledger.calls = ()
        statuses.append((await recorder.receive(Delivery(delivered(event_id), report))).status)
        calls.append(ledger.calls)
    assert [*[EventStatus.APPLIED] * 3, EventStatus.NOTHING_NEW] == statuses
    assert [("read", "commit"), ("read", "commit"), ("commit",), ("commit",)] == calls
    await group.aclose()


async def test_what_was_not_written_is_not_known() -> None:
    """A refused sale may be new to the ledger yet: of a user who signs up later, for example."""
    group = GroupCommit(CountingLedger(SystemClock()))
    change = buying(ADA, "pi_1", decision=event())
    assert (Conflict("unknown_user"),) == await group.commit([change])
    assert change.revision is not None
    assert not group.recent_links.are_known(change.revision.purchase.links, "evt_2")
    await group.aclose()


def test_the_oldest_links_are_dropped() -> None:
    """What was written again is not old."""
    known, (first, second, third) = KnownLinks(limit=2), [Link(f"session:cs_{number}") for number in range(3)]
    for link in (first, second, first, third):
        known.add((link,), "evt_1")
    assert [True, False, True] == [known.are_known((link,), "evt_2") for link in (first, second, third)]
    assert not known.are_known((first,), "evt_1")
