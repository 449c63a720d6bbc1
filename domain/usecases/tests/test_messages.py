"""What follows a commit: invoices are sent, and none keeps another waiting."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs
import pytest

from domain.changes.outbox import SEND_INVOICE
from domain.payments.purchases import PurchaseId, RefundStatus
from domain.ports.payment_provider import Invoices, PaymentsUnavailable
from domain.tests.examples import NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.tests.memory_customers import customers_of
from domain.usecases.tests.payment_world import LIFE, SALE, SetClock, World, linked, refund


def worker_of(world: World, invoices: Invoices) -> OutboxWorker:
    return OutboxWorker(outbox=world.ledger.outbox, invoices=invoices, customers=customers_of(world.ledger))


def test_the_invoice_is_sent_once_for_a_purchase(world: World) -> None:
    """Whoever reports the payment, and although the first try met trouble."""
    worker = worker_of(world, world.payments)
    for number, report in enumerate(LIFE):
        world.deliver(f"evt_{number}", report)
    world.payments.is_away = True
    run(worker.run_once(SEND_INVOICE))
    assert {} == world.payments.sent
    world.payments.is_away = False
    world.clock.moment += timedelta(hours=1)
    run(worker.run_once(SEND_INVOICE))
    assert ["in_1"] == list(world.payments.sent.values())


def test_messages_are_given_up_in_the_end_and_reported(world: World) -> None:
    """Stripe refuses for good, or is away for too long: the failure stays visible."""
    worker = worker_of(world, world.payments)
    world.deliver("evt_1", attrs.evolve(SALE, links=SALE.links - linked("invoice:in_1") | linked("invoice:nothing")))
    run(worker.run_once(SEND_INVOICE))
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
    worker = worker_of(world, invoices)
    world.deliver("evt_1", SALE)
    while world.ledger.outbox.count(failed=False):
        run(worker.run_once(SEND_INVOICE))
        world.clock.moment += timedelta(minutes=5)
    assert ["in_1"] == invoices.sent
    assert () == run(world.ledger.outbox.failures(10))


@attrs.define
class WatchedInvoices:
    """Takes none of some invoices, as if it could not be asked, and notes what of the world it found each time."""

    world: World
    refused: frozenset[str] = frozenset()
    asked: list[str] = attrs.field(factory=list)
    found: list[int] = attrs.field(factory=list)
    """How many messages were not settled."""

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        self.asked.append(invoice_id)
        self.found.append(self.world.ledger.outbox.count(failed=False))
        if invoice_id in self.refused:
            raise PaymentsUnavailable("no answer")


INVOICES = ("in_1", "in_2", "in_3", "in_4")


def with_invoices_to_send(world: World, refused: Iterable[str] = ()) -> tuple[WatchedInvoices, OutboxWorker]:
    """As many sales as invoices."""
    for invoice in INVOICES:
        sale = attrs.evolve(SALE, purchase_id=PurchaseId(f"pi_{invoice}"), session_id=f"cs_{invoice}")
        links = linked(f"payment_intent:pi_{invoice}", f"session:cs_{invoice}", f"invoice:{invoice}")
        world.deliver(f"evt_{invoice}", attrs.evolve(sale, links=links))
    invoices = WatchedInvoices(world, frozenset(refused))
    return invoices, worker_of(world, invoices)


def test_each_invoice_is_settled_before_the_next(world: World) -> None:
    """So that a worker that dies sends at most one of them again."""
    invoices, worker = with_invoices_to_send(world)
    run(worker.run_once(SEND_INVOICE))
    assert [4, 3, 2, 1] == invoices.found
    assert {*INVOICES} == {*invoices.asked}


def test_while_stripe_is_away_one_invoice_of_a_round_is_tried(world: World) -> None:
    """What waits for each try does not add up, and no invoice is given up without having been tried at last."""
    invoices, worker = with_invoices_to_send(world, INVOICES)
    run(worker.run_once(SEND_INVOICE))
    assert (1, 4) == (len(invoices.asked), world.ledger.outbox.count(failed=False))
    while world.ledger.outbox.count(failed=False):
        tried = len(invoices.asked)
        run(worker.run_once(SEND_INVOICE))
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
        run(worker.run_once(SEND_INVOICE))
        world.clock.moment += timedelta(minutes=5)
    assert {*INVOICES} == {*invoices.asked}
    assert 1 == world.ledger.outbox.count(failed=False)


def test_an_invoice_is_not_sent_again_though_its_sale_was_worth_nothing_for_a_while(world: World) -> None:
    """A refund that fails brings the credits back, when the message that was delivered is long gone."""
    worker = worker_of(world, world.payments)
    world.deliver("evt_1", SALE)
    assert 1 == run(worker.run_once(SEND_INVOICE))
    for status, left in ((RefundStatus.SUCCEEDED, 0), (RefundStatus.FAILED, 50)):
        world.deliver(f"evt_{status}", refund("re_1", 500, status, by="both"))
        assert (left, 0) == (world.balance(), run(worker.run_once(SEND_INVOICE)))
