"""Reconciling, auditing, explaining: what is missing or disagrees is found, and is mended once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.inbox import EventStatus
from domain.credits.ledger import EntryKind, Posting
from domain.payments.disputes import DisputeStatus
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.reports import Attribution
from domain.ports.cache import CacheUnavailable
from domain.ports.payment_provider import Found
from domain.tests.examples import ADA, BOB, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.tests.payment_world import PERIOD, PROPOSED, SALE, World, dispute, linked, refund, tamper
from domain.values.accounts import Account, UserId


def test_reconciling_finds_what_never_arrived_and_nothing_twice(world: World) -> None:
    """By events, then by objects; a dry run only says; again there is nothing left."""
    world.payments.remember(world.delivery("evt_1", SALE))
    later = dispute(DisputeStatus.LOST, 5)
    world.payments.have(Found(object_id="dp_1", kind="dispute", delivery=world.delivery("reconciled_dp_1", later)))
    parked = attrs.evolve(PROPOSED, purchase_id=PurchaseId("pi_5"), links=linked("payment_intent:pi_5"))
    found = Found(
        object_id="object_of_reconciled_cs_5", kind="session", delivery=world.delivery("reconciled_cs_5", parked)
    )
    world.payments.have(found)
    since = NOON - timedelta(days=3)
    said = run(world.reconciler.run(since, dry_run=True))
    assert (["evt_1", "dp_1", "object_of_reconciled_cs_5"], 0) == ([one.id for one in said.found], world.balance())
    assert world.ledger.inbox.status("evt_1") is None
    done = run(world.reconciler.run(since))
    assert [50, -10, 0] == [one.credits for one in done.found]
    assert EventStatus.PARKED is world.ledger.inbox.status("reconciled_cs_5")
    aged = attrs.evolve(later.facts.disputes[0], occurred_at=NOON + timedelta(hours=1))
    world.payments.have(
        Found(
            object_id="dp_1",
            kind="dispute",
            delivery=world.delivery("reconciled_dp_1", attrs.evolve(later, facts=Purchase(disputes=(aged,)))),
        )
    )
    assert () == run(world.reconciler.run(since)).found
    assert 40 == world.balance()


def test_the_auditor_names_every_copy_that_disagrees_and_repairs_it(world: World) -> None:
    """Ahead, behind, different, or of nobody; an emptied cache disagrees with nothing."""
    world.deliver("evt_1", SALE)
    world.ledger.add_user(BOB)
    nobody = UserId("00000000-0000-0000-0000-00000000000c")
    assert () == run(world.auditor.disagreements())
    for copy, problem in (
        (Account(user_id=ADA, balance=50, version=7), "cache_is_ahead"),
        (Account(user_id=ADA, balance=0, version=0), "cache_is_behind"),
        (Account(user_id=ADA, balance=51, version=1), "cache_differs"),
        (Account(user_id=nobody, balance=1, version=1), "cache_has_no_account"),
    ):
        run(world.cache.forget(copy.user_id))
        run(world.cache.store(copy))
        assert [(copy.user_id, problem)] == [(one.user_id, one.problem) for one in run(world.auditor.disagreements())]
        assert 2 == run(world.auditor.sync_all())
        assert () == run(world.auditor.disagreements())
    tamper(world.ledger, ADA, balance=1_000_000)
    repaired = run(world.auditor.sync(ADA))
    assert repaired is not None
    assert 50 == repaired.balance == world.balance()
    assert run(world.auditor.sync(nobody)) is None
    run_cleared = world.cache
    run_cleared.flush()
    assert () == run(world.auditor.disagreements())


def test_an_explanation_accounts_for_every_credit(world: World) -> None:
    """Each entry stands at one place, under the purchase it belongs to, also when two rows became one."""
    from domain.credits.explanation import explain

    twin = attrs.evolve(SALE, purchase_id=PurchaseId("cs_1"), links=linked("session:cs_1"))
    world.deliver("evt_1", attrs.evolve(SALE, links=linked("payment_intent:pi_1")))
    world.deliver("evt_2", twin)
    world.deliver("evt_3", attrs.evolve(SALE, links=linked("session:cs_1", "payment_intent:pi_1")))
    world.deliver("evt_4", PERIOD)
    world.deliver("evt_5", attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly")))
    spend = Posting(user_id=ADA, amount=-30, kind=EntryKind.SPEND, idempotency_key="spend-1")  # type: ignore[arg-type]
    from domain.changes.changes import Change

    run(world.ledger.commit([Change(postings=(spend,))]))
    record = run(world.ledger.audit.record_of(ADA))
    assert record is not None
    explained = explain(record)
    assert [50, 50] == [purchase.posted for purchase in explained.purchases]
    assert [50, 50] == [purchase.worth for purchase in explained.purchases]
    assert [-30] == [entry.posting.amount for entry in explained.others]
    report = [entry.version for purchase in explained.purchases for entry in purchase.entries]
    assert sorted([*report, *(entry.version for entry in explained.others)]) == [
        entry.version for entry in record.entries
    ]


class Overtaken:
    """A port after one of whose calls others are at work."""

    def __init__(self, port: object, call: str, others: Callable[[], Awaitable[object]]) -> None:
        self.port, self.call, self.others = port, call, others

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def called(*given: object) -> object:
            answer = await getattr(self.port, name)(*given)
            if name == self.call:
                await self.others()
            return answer

        return called


@pytest.mark.parametrize("call", ["forget", "recompute", "store"])
def test_a_repair_does_not_bring_back_an_older_balance(world: World, call: str) -> None:
    """Whenever others commit while it is at work, what they told the cache stays."""
    world.deliver("evt_1", SALE)
    refunded = world.delivery("evt_2", refund("re_1", 100, by="both"))
    others = lambda: world.recorder.receive(refunded)  # noqa: E731 - called once
    audit: Any = Overtaken(world.ledger.audit, call, others)
    cache: Any = Overtaken(world.cache, call, others)
    run(CacheAuditor(audit=audit, cache=cache, markers=world.recorder.markers).sync(ADA))
    copy = run(world.cache.find(ADA))
    assert copy is not None
    assert 40 == copy.balance == world.balance()


def test_a_repair_mends_the_ledger_although_the_cache_is_away(world: World) -> None:
    """The cache's absence is reported once that is done."""

    class AwayCache(MemoryQuotaCache):
        async def forget(self, user_id: UserId) -> None:
            raise CacheUnavailable("no answer")

    world.deliver("evt_1", SALE)
    tamper(world.ledger, ADA, balance=1_000_000)
    with pytest.raises(CacheUnavailable):
        run(CacheAuditor(audit=world.ledger.audit, cache=AwayCache(), markers=world.recorder.markers).sync(ADA))
    assert 50 == world.balance()
