"""A payment's life on the in-memory adapters: any order and any repetition of what is reported comes to the same."""

from datetime import datetime, timedelta

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.payments import MemoryPayments
from domain.changes.changes import SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.changes.outbox import SEND_INVOICE
from domain.payments.purchases import PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import Attribution, PaymentReport, ProviderReport, SaleReport
from domain.tests.examples import ADA, BOB, FIVE_DOLLARS, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.tests.memory_customers import customers_of
from domain.usecases.tests.payment_world import CATALOGUE, LASTING, LIFE, PERIOD, SALE, World, linked, refund
from domain.values.accounts import Account, UserId
from domain.values.plans import Catalogue, Terms

WORTH = 50 * (500 - 200 - 50) // 500


@settings(deadline=None, max_examples=150)
@given(st.permutations([*range(len(LIFE)), *range(len(LIFE))]), st.booleans())
def test_any_order_and_repetition_of_a_life_ends_in_the_same_balance(order: list[int], is_away: bool) -> None:
    """Refunds by the charge alone, rows that prove to be one, disputes: what is left is what it is worth."""
    world = World()
    world.payments.is_away = is_away
    for place, which in enumerate(order):
        assert world.deliver(f"evt_{place}", LIFE[which]).status.is_final
        assert (run(world.cache.find(ADA)) or Account(user_id=ADA)).balance == world.balance()
    assert WORTH == world.balance()
    entries = run(world.ledger.entries(ADA, before_version=None, limit=100))
    assert WORTH == sum(entry.posting.amount for entry in entries)
    snapshot = run(world.ledger.read(SnapshotQuery(links=SALE.links | linked("charge:ch_1"))))
    assert 1 == len(snapshot.purchases)
    customers = customers_of(world.ledger)
    worker = OutboxWorker(outbox=world.ledger.outbox, invoices=MemoryPayments(), customers=customers)
    run(worker.run_once(SEND_INVOICE))
    assert () == run(world.ledger.outbox.failures(10))


PACK = attrs.evolve(
    SALE, attribution=attrs.evolve(SALE.attribution, plan_id="lasting"), sold_at=NOON - timedelta(hours=1)
)
PACK_LIFE: tuple[ProviderReport, ...] = (
    attrs.evolve(PACK, facts=Purchase(payment=PaymentStatus.UNPAID)),
    attrs.evolve(PACK, facts=Purchase(payment=PaymentStatus.FAILED)),
    PACK,
    attrs.evolve(PACK, purchase_id=PurchaseId("cs_1"), links=linked("session:cs_1")),
    refund("re_1", 100),
    refund("re_1", 100, RefundStatus.FAILED),
)
WHEN_PAID = (Purchase(paid_at=NOON + timedelta(hours=2)), Purchase(paid_at=NOON + timedelta(hours=3)))
"""The time of the charge, and that of an event that told of it later."""


@pytest.mark.parametrize("ends_at", [NOON + timedelta(days=30, hours=-1), NOON + timedelta(days=30, hours=2)])
@settings(deadline=None, max_examples=100)
@given(order=st.permutations([*range(len(PACK_LIFE)), *range(len(PACK_LIFE))]), changes_after=st.integers(1, 6))
def test_credits_end_at_one_time_whoever_reports_of_their_sale(
    ends_at: datetime, order: list[int], changes_after: int
) -> None:
    """Webhook, return page and reconciler, hours apart; and although the catalogue was changed meanwhile.

    By the time of the checkout; where that of the payment is reported, by the earliest that is.
    """
    world, life = World(), list(PACK_LIFE)
    if ends_at > NOON + timedelta(days=30):
        for place, when in zip((2, 3), WHEN_PAID, strict=True):
            life[place] = attrs.evolve(PACK_LIFE[place], facts=attrs.evolve(when, payment=PaymentStatus.PAID))
    for place, which in enumerate(order):
        event = world.delivery(f"evt_{place}", life[which]).event if place % 3 else None
        if place == len(order) - changes_after:
            changed = attrs.evolve(LASTING, expires_after_days=90, terms=Terms(credits=60, price=FIVE_DOLLARS))
            world.recorder = attrs.evolve(world.recorder, catalogue=Catalogue({**CATALOGUE.plans, LASTING.id: changed}))
        run(world.recorder.record(event, life[which]))
        world.clock.moment += timedelta(hours=5)
    snapshot = run(world.ledger.read(SnapshotQuery(links=PACK.links)))
    (order_of_pack,) = {known.purchase.order for known in snapshot.purchases}
    assert order_of_pack is not None
    ends = {grant.expires_at for grant in world.ledger.grants.of(ADA)}
    assert {ends_at} == ends
    assert NOON + timedelta(days=30, hours=-1) == order_of_pack.expires_at
    assert (50, 50) == (order_of_pack.credits, world.balance())


def test_a_plan_that_is_sold_no_longer_keeps_what_it_sold(world: World) -> None:
    """What is told of an old sale needs no plan any more."""
    world.deliver("evt_1", SALE)
    world.recorder = attrs.evolve(world.recorder, catalogue=Catalogue({}))
    world.deliver("evt_2", refund("re_1", 250, by="both"))
    assert EventStatus.NOTHING_NEW == world.deliver("evt_3", SALE).status
    assert 25 == world.balance()


def period_of(invoice: str, *links: str, user: UserId = ADA) -> SaleReport:
    attribution = Attribution(user_reference=user, plan_id="monthly")
    return attrs.evolve(
        PERIOD, purchase_id=PurchaseId(invoice), links=linked(f"invoice:{invoice}", *links), attribution=attribution
    )


def paid_by_one(invoice: str) -> PaymentReport:
    return PaymentReport(purchase_id=PurchaseId(invoice), links=linked(f"invoice:{invoice}", "payment_intent:pi_9"))


TWO_INVOICES: tuple[ProviderReport, ...] = (
    period_of("in_7"),
    period_of("in_8", user=BOB),
    period_of("in_7", "payment_intent:pi_9"),
    period_of("in_8", "payment_intent:pi_9", "charge:ch_9", user=BOB),
    paid_by_one("in_7"),
    paid_by_one("in_8"),
    PaymentReport(purchase_id=PurchaseId("pi_9"), links=linked("payment_intent:pi_9", "charge:ch_9")),
    # Of what is no period the payment is reported, by invoices of their own.
    PaymentReport(purchase_id=PurchaseId("pi_9"), links=linked("invoice:in_5", "payment_intent:pi_9"), ours=True),
    PaymentReport(purchase_id=PurchaseId("pi_9"), links=linked("invoice:in_6", "payment_intent:pi_9"), ours=True),
)


@settings(deadline=None, max_examples=150)
@given(st.permutations([*range(len(TWO_INVOICES)), *range(len(TWO_INVOICES))]))
def test_a_payment_of_two_invoices_is_two_purchases(order: list[int]) -> None:
    """Each brings its own credits to its own user, whoever tells first that one payment paid them both."""
    world = World()
    world.ledger.add_user(BOB, "bob@example.com")
    for place, which in enumerate(order):
        assert world.deliver(f"evt_{place}", TWO_INVOICES[which]).status.is_final
    assert (50, 50) == (world.balance(), world.balance(BOB))


def test_a_refund_of_a_payment_of_two_invoices_takes_from_one(world: World) -> None:
    """From the one that had the payment first, and no more than that one brought."""
    for report in (period_of("in_7"), period_of("in_8"), paid_by_one("in_8"), paid_by_one("in_7")):
        world.deliver(f"evt_{report.links}", report)
    back = Purchase(refunds=(Refund(id="re_9", amount=1000, status=RefundStatus.SUCCEEDED),))
    world.deliver(
        "evt_9", PaymentReport(purchase_id=PurchaseId("pi_9"), links=linked("payment_intent:pi_9"), facts=back)
    )
    assert 50 == world.balance()


def test_two_rows_that_had_both_posted_become_one_payment(world: World) -> None:
    """What was given twice is taken back once they prove to be one; a refund then takes the rest."""
    twin = attrs.evolve(SALE, purchase_id=PurchaseId("cs_1"), links=linked("session:cs_1"))
    world.deliver("evt_1", attrs.evolve(SALE, links=linked("payment_intent:pi_1")))
    world.deliver("evt_2", twin)
    assert 100 == world.balance()
    world.deliver("evt_3", attrs.evolve(SALE, links=linked("session:cs_1", "payment_intent:pi_1")))
    assert 50 == world.balance()
    world.deliver("evt_4", refund("re_1", 500, by="both"))
    assert 0 == world.balance()


def test_a_payment_of_others_is_ignored_and_an_unknown_one_waits(world: World) -> None:
    """Only an answer of Stripe's proves that a refund is another application's."""
    world.payments.teach(linked("charge:ch_1"), ours=False)
    recorded = world.deliver("evt_1", refund("re_1", 100))
    assert (EventStatus.IGNORED, "no metadata from Credence") == (recorded.status, recorded.reason)
    waiting = attrs.evolve(refund("re_2", 100, by="both"), links=linked("payment_intent:pi_1"))
    assert EventStatus.APPLIED is world.deliver("evt_2", waiting).status
    world.deliver("evt_3", SALE)
    assert 40 == world.balance()


def test_stripe_leads_from_a_charge_to_its_purchase(world: World) -> None:
    """Asked once, it names the payment intent, and the refund is applied at once."""
    world.deliver("evt_1", SALE)
    world.payments.teach(linked("charge:ch_1", "payment_intent:pi_1"))
    world.deliver("evt_2", refund("re_1", 250))
    assert 25 == world.balance()


def test_a_refund_in_another_currency_is_parked(world: World) -> None:
    """It can't be measured by what was paid, whichever of the two comes first."""
    euros = attrs.evolve(refund("re_1", 100, by="both"), facts=Purchase(currencies=frozenset({"eur"})))
    world.deliver("evt_1", SALE)
    assert "currency_disagrees" == world.deliver("evt_2", euros).reason
    assert 50 == world.balance()
    other = World()
    other.deliver("evt_1", euros)
    assert "currency_disagrees" == other.deliver("evt_2", SALE).reason
