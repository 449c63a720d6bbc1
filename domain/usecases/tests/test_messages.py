"""What follows a commit: the cache is refreshed and the invoices are sent, and neither keeps the other waiting."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs
import pytest

from domain.payments.purchases import PurchaseId
from domain.ports.payment_provider import PaymentsUnavailable
from domain.tests.examples import ADA, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.tests.payment_world import LIFE, SALE, SetClock, World, linked


def test_the_cache_forgets_who_has_left(world: World) -> None:
    """A quota is told of nobody."""
    world.deliver("evt_1", SALE)
    worker = OutboxWorker(outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=world.payments)
    world.ledger.delete_user(ADA)
    assert run(world.cache.find(ADA)) is not None
    run(worker.run_once())
    assert run(world.cache.find(ADA)) is None


def test_the_invoice_is_sent_once_for_a_purchase(world: World) -> None:
    """Whoever reports the payment, and although the first try met trouble."""
    worker = OutboxWorker(outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=world.payments)
    for number, report in enumerate(LIFE):
        world.deliver(f"evt_{number}", report)
    world.payments.is_away = True
    run(worker.run_once())
    assert {} == world.payments.sent
    world.payments.is_away = False
    world.clock.moment += timedelta(hours=1)
    run(worker.run_once())
    assert ["in_1"] == list(world.payments.sent.values())


def test_messages_are_given_up_in_the_end_and_reported(world: World) -> None:
    """Stripe refuses for good, or is away for too long: the failure stays visible."""
    worker = OutboxWorker(outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=world.payments)
    world.deliver("evt_1", attrs.evolve(SALE, links=SALE.links - linked("invoice:in_1") | linked("invoice:nothing")))
    run(worker.run_once())
    (failure,) = run(world.ledger.outbox.failures(10))
    assert ("send_invoice", "refused: no such invoice", 1) == (failure.topic, failure.error, failure.attempts)


@attrs.define
class RememberedFailure:
    """Fails once, and gives the same answer to the same key for a day, as Stripe does."""

    clock: SetClock
    failed_at: dict[str, datetime] = attrs.field(factory=dict)
    sent: list[str] = attrs.field(factory=list)

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        failed_at = self.failed_at.setdefault(idempotency_key, self.clock.now())
        if self.clock.now() < failed_at + timedelta(days=1):
            raise PaymentsUnavailable("APIError (500)")
        self.sent.append(invoice_id)


def test_an_invoice_is_sent_although_stripe_remembers_a_failure_for_a_day(world: World) -> None:
    """Tries that are answered from Stripe's memory don't use up those that follow."""
    invoices = RememberedFailure(world.clock)
    worker = OutboxWorker(outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=invoices)
    world.deliver("evt_1", SALE)
    while world.ledger.outbox.count(failed=False):
        run(worker.run_once())
        world.clock.moment += timedelta(minutes=5)
    assert ["in_1"] == invoices.sent
    assert () == run(world.ledger.outbox.failures(10))


@attrs.define
class WatchedInvoices:
    """Takes none of some invoices, as if it could not be asked, and notes what of the world it found each time."""

    world: World
    refused: frozenset[str] = frozenset()
    asked: list[str] = attrs.field(factory=list)
    found: list[tuple[int | None, int]] = attrs.field(factory=list)
    """Ada's balance in the cache, and how many messages were not settled."""

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        copy = await self.world.cache.find(ADA)
        self.asked.append(invoice_id)
        self.found.append((copy and copy.balance, self.world.ledger.outbox.count(failed=False)))
        if invoice_id in self.refused:
            raise PaymentsUnavailable("no answer")


INVOICES = ("in_1", "in_2", "in_3", "in_4")


def with_invoices_to_send(world: World, refused: Iterable[str] = ()) -> tuple[WatchedInvoices, OutboxWorker]:
    """As many sales as invoices, and nothing in the cache."""
    for invoice in INVOICES:
        sale = attrs.evolve(SALE, purchase_id=PurchaseId(f"pi_{invoice}"), session_id=f"cs_{invoice}")
        links = linked(f"payment_intent:pi_{invoice}", f"session:cs_{invoice}", f"invoice:{invoice}")
        world.deliver(f"evt_{invoice}", attrs.evolve(sale, links=links))
    world.cache.flush()
    invoices = WatchedInvoices(world, frozenset(refused))
    return invoices, OutboxWorker(
        outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=invoices
    )


def test_the_cache_does_not_wait_for_stripe(world: World) -> None:
    """When invoices are sent the cache lines are written and settled, and so is each invoice before the next."""
    invoices, worker = with_invoices_to_send(world)
    run(worker.run_once())
    assert [(200, 4), (200, 3), (200, 2), (200, 1)] == invoices.found
    assert {*INVOICES} == {*invoices.asked}


def test_while_stripe_is_away_one_invoice_of_a_round_is_tried(world: World) -> None:
    """What waits for each try does not add up, and no invoice is given up without having been tried at last."""
    invoices, worker = with_invoices_to_send(world, INVOICES)
    run(worker.run_once())
    assert (1, 4) == (len(invoices.asked), world.ledger.outbox.count(failed=False))
    while world.ledger.outbox.count(failed=False):
        tried = len(invoices.asked)
        run(worker.run_once())
        assert len(invoices.asked) - tried <= 1
        world.clock.moment += timedelta(minutes=5)
    assert {*INVOICES} == {failure.payload["invoice_id"] for failure in run(world.ledger.outbox.failures(10))}
    assert {*INVOICES} == {*invoices.asked[-len(INVOICES) :]}
    assert world.clock.moment - NOON > timedelta(days=3)


@pytest.mark.parametrize("refused", INVOICES)
def test_one_invoice_that_stripe_does_not_take_does_not_stop_the_others(world: World, refused: str) -> None:
    """Although they are due with it each time."""
    invoices, worker = with_invoices_to_send(world, [refused])
    for _ in INVOICES:
        run(worker.run_once())
        world.clock.moment += timedelta(minutes=5)
    assert {*INVOICES} == {*invoices.asked}
    assert 1 == world.ledger.outbox.count(failed=False)
