"""The rest of a payment's life on the in-memory adapters: any order, any repetition, and what operators do."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from domain.changes.changes import SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.credits.ledger import EntryKind, Posting
from domain.payments.admission import Confirmation
from domain.payments.disputes import Dispute, DisputeStatus
from domain.payments.facts import CurrencyReported, Disputed, PaidAt, PaymentReported, Refunded
from domain.payments.purchases import Link, PaymentStatus, PurchaseId, Refund, RefundStatus
from domain.payments.reports import (
    Attribution,
    Delivery,
    InboxEvent,
    InvoiceLine,
    Irrelevant,
    PaymentReport,
    Price,
    ProviderReport,
    SaleReport,
    SubscriptionReport,
)
from domain.payments.subscriptions import SubscriptionId, SubscriptionState, SubscriptionStatus
from domain.ports.cache import CacheUnavailable
from domain.ports.payment_provider import Found, InvalidBody, PaymentsUnavailable
from domain.tests.examples import ADA, BOB, FIVE_DOLLARS, MONTHLY, NOON, STARTER
from domain.tests.examples import run_at_once as run
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import BATCH, InboxRetrier, NotClaimable, UnknownEvent
from domain.values.accounts import Account, UserId
from domain.values.money import Money
from domain.values.plans import MAX_CREDITS, Catalogue, PlanId, PlanMode, Terms

TEAM = attrs.evolve(MONTHLY, id=PlanId("team"), terms=Terms(credits=300, price=Money(amount=2000, currency="usd")))
LASTING = attrs.evolve(STARTER, id=PlanId("lasting"), expires_after_days=30)
CATALOGUE = Catalogue({plan.id: plan for plan in (STARTER, MONTHLY, TEAM, LASTING)})


@attrs.define
class SetClock:
    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment


@attrs.define
class Kept:
    """Reads bodies back, as a translation does: by the id that they hold."""

    report: dict[str, Delivery] = attrs.field(factory=dict)

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        return self.read(body.decode())

    def read(self, body: str) -> Delivery:
        if body not in self.report:
            raise InvalidBody("not JSON")
        return self.report[body]


class World:
    def __init__(self) -> None:
        self.clock = SetClock()
        self.ledger, self.cache = MemoryLedger(self.clock), MemoryQuotaCache()
        self.payments, self.deliveries = MemoryPayments(), Kept()
        self.ledger.add_user(ADA, "ada@example.com")
        self.recorder = PaymentRecorder(
            ledger=self.ledger,
            cache=self.cache,
            markers=MemorySessionMarkers(self.clock),
            payments=self.payments,
            catalogue=CATALOGUE,
            livemode=False,
        )
        self.retrier = InboxRetrier(
            inbox=self.ledger.inbox, deliveries=self.deliveries, history=self.payments, recorder=self.recorder
        )
        self.reconciler = Reconciler(history=self.payments, inbox=self.ledger.inbox, recorder=self.recorder)
        self.auditor = CacheAuditor(audit=self.ledger.audit, cache=self.cache)

    def delivery(self, event_id: str, report: ProviderReport, at: datetime = NOON) -> Delivery:
        event = InboxEvent(
            id=event_id, type="a.type", body=event_id, livemode=False, created=at, object_id=f"object_of_{event_id}"
        )
        self.deliveries.report[event_id] = Delivery(event, report)
        return self.deliveries.report[event_id]

    def deliver(self, event_id: str, report: ProviderReport) -> Recorded:
        return run(self.recorder.receive(self.delivery(event_id, report)))

    def balance(self, user: UserId = ADA) -> int:
        found = run(self.ledger.account(user))
        assert found is not None
        return found.balance


@pytest.fixture
def world() -> World:
    return World()


def tamper(ledger: MemoryLedger, user_id: UserId, *, balance: int) -> None:
    """Write a balance past the ledger, as a careless script would."""
    ledger.accounts.keep(attrs.evolve(ledger.accounts.get(user_id), balance=balance))


def linked(*names: str) -> frozenset[Link]:
    return frozenset(map(Link, names))


SALE = SaleReport(
    purchase_id=PurchaseId("pi_1"),
    session_id="cs_1",
    links=linked("session:cs_1", "payment_intent:pi_1", "invoice:in_1"),
    mode=PlanMode.PAYMENT,
    facts=(PaymentReported(PaymentStatus.PAID),),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(user_reference=ADA, plan_id="starter"),
)
PRICE = Price(
    id="price_7", unit_amount=Fraction(500), currency="usd", interval="month", interval_count=1, is_complete=True
)
LINE = InvoiceLine(
    id="il_7",
    amount=500,
    net=500,
    gross=500,
    starts_at=NOON,
    ends_at=NOON + timedelta(days=31),
    subscription_item="si_1",
    price=PRICE,
)
PERIOD = SaleReport(
    purchase_id=PurchaseId("in_7"),
    links=linked("invoice:in_7"),
    mode=PlanMode.SUBSCRIPTION,
    facts=(PaymentReported(PaymentStatus.PAID),),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(),
    subscription_id=SubscriptionId("sub_1"),
    lines=(LINE,),
)


def priced(amount: int, attribution: Attribution) -> SaleReport:
    """A period of a price of so much, which is paid."""
    line = attrs.evolve(
        LINE, amount=amount, net=amount, gross=amount, price=attrs.evolve(PRICE, unit_amount=Fraction(amount))
    )
    money = Money(amount=amount, currency="usd")
    return attrs.evolve(PERIOD, attribution=attribution, lines=(line,), subtotal=money, paid=money)


def refund(
    id_: str, amount: int, status: RefundStatus = RefundStatus.SUCCEEDED, *, by: str = "charge"
) -> PaymentReport:
    names = {"charge": ("charge:ch_1",), "both": ("charge:ch_1", "payment_intent:pi_1")}[by]
    return PaymentReport(
        purchase_id=PurchaseId("ch_1" if by == "charge" else "pi_1"),
        links=linked(*names),
        facts=(Refunded(Refund(id=id_, amount=amount, status=status)), CurrencyReported("usd")),
    )


def dispute(status: DisputeStatus, after: int, *, of: str = "dp_1", amount: int = 100) -> PaymentReport:
    found = Dispute(id=of, occurred_at=NOON + timedelta(seconds=after), amount=amount, status=status)
    return PaymentReport(purchase_id=PurchaseId("pi_1"), links=linked("payment_intent:pi_1"), facts=(Disputed(found),))


LIFE: tuple[ProviderReport, ...] = (
    attrs.evolve(SALE, facts=(PaymentReported(PaymentStatus.UNPAID),)),
    SALE,
    refund("re_1", 100),
    refund("re_2", 100),
    refund("re_3", 50, by="both"),
    refund("re_3", 50, RefundStatus.FAILED, by="both"),
    dispute(DisputeStatus.NEEDS_RESPONSE, 1),
    dispute(DisputeStatus.WITHDRAWN, 1),
    dispute(DisputeStatus.WON, 9),
    dispute(DisputeStatus.LOST, 9, of="dp_2", amount=50),
    PaymentReport(purchase_id=PurchaseId("in_1"), links=linked("invoice:in_1", "charge:ch_1")),
)
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
    worker = OutboxWorker(
        outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=MemoryPayments()
    )
    run(worker.run_once())
    assert () == run(world.ledger.outbox.failures(10))


PACK = attrs.evolve(
    SALE, attribution=attrs.evolve(SALE.attribution, plan_id="lasting"), sold_at=NOON - timedelta(hours=1)
)
PACK_LIFE: tuple[ProviderReport, ...] = (
    attrs.evolve(PACK, facts=(PaymentReported(PaymentStatus.UNPAID),)),
    attrs.evolve(PACK, facts=(PaymentReported(PaymentStatus.FAILED),)),
    PACK,
    attrs.evolve(PACK, purchase_id=PurchaseId("cs_1"), links=linked("session:cs_1")),
    refund("re_1", 100),
    refund("re_1", 100, RefundStatus.FAILED),
)


WHEN_PAID = (PaidAt(NOON + timedelta(hours=2)), PaidAt(NOON + timedelta(hours=3)))
"""The time of the charge, and that of an event that told of it later."""


@pytest.mark.parametrize("ends_at", [NOON + timedelta(days=30, hours=-1), NOON + timedelta(days=30, hours=2)])
@settings(deadline=None, max_examples=100)
@given(order=st.permutations([*range(len(PACK_LIFE)), *range(len(PACK_LIFE))]), changes_after=st.integers(1, 6))
def test_credits_end_at_one_time_whoever_reports_of_their_sale(
    ends_at: datetime, order: list[int], changes_after: int
) -> None:
    """Webhook, return page and reconciler, hours apart; and although the catalogue was changed meanwhile.

    By the time of the checkout; where that of the payment is told, by the earliest that is.
    """
    world, life = World(), list(PACK_LIFE)
    if ends_at > NOON + timedelta(days=30):
        for place, when in zip((2, 3), WHEN_PAID, strict=True):
            life[place] = attrs.evolve(PACK_LIFE[place], facts=(PaymentReported(PaymentStatus.PAID), when))
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


@pytest.mark.parametrize("given_to", [ADA, BOB])
def test_whom_an_operator_gave_a_payment_keeps_it(world: World, given_to: UserId) -> None:
    """Whoever is named by a later telling that would have been believed, and whichever id is larger."""
    named = BOB if given_to == ADA else ADA
    world.ledger.add_user(BOB, "bob@example.com")
    report = attrs.evolve(
        SALE, attribution=attrs.evolve(SALE.attribution, user_reference=named, email="eve@example.com")
    )
    assert "email_disagrees" == world.deliver("evt_1", report).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=given_to)))
    right = attrs.evolve(report, attribution=attrs.evolve(report.attribution, email=None))
    assert EventStatus.NOTHING_NEW == world.deliver("evt_2", right).status
    assert (50, 0) == (world.balance(given_to), world.balance(named))


def test_a_plan_that_is_sold_no_longer_keeps_what_it_sold(world: World) -> None:
    """What is told of an old sale needs no plan any more."""
    world.deliver("evt_1", SALE)
    world.recorder = attrs.evolve(world.recorder, catalogue=Catalogue({}))
    world.deliver("evt_2", refund("re_1", 250, by="both"))
    assert EventStatus.NOTHING_NEW == world.deliver("evt_3", SALE).status
    assert 25 == world.balance()


def test_a_renewal_comes_to_its_owner_whatever_the_address_is_now(world: World) -> None:
    """An invoice has the address of the day on which the subscription began; nobody else's credits come by it."""
    named = Attribution(user_reference=ADA.upper(), email="ada@example.com", plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_1", began)
    world.ledger.add_user(ADA, "ada@elsewhere.example")
    world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named))
    assert 50 == world.balance()
    world.ledger.add_user(BOB, "bob@example.com")
    other = attrs.evolve(PERIOD, purchase_id=PurchaseId("in_8"), links=linked("invoice:in_8"))
    report = world.deliver("evt_3", attrs.evolve(other, attribution=attrs.evolve(named, user_reference=BOB)))
    assert (EventStatus.PARKED, "email_disagrees") == (report.status, report.reason)


def test_a_sale_that_is_reported_in_part_is_asked_for_in_whole(world: World) -> None:
    """It waits while nobody can be asked; a claim of it stays one, and what stands needs nothing more."""
    whole = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"))
    part = attrs.evolve(whole, subtotal=Money(amount=0, currency="usd"), is_complete=False)
    world.payments.teach_complete(whole)
    world.payments.is_away = True
    assert (EventStatus.PARKED, "incomplete_invoice") == (
        world.deliver("evt_1", part).status,
        world.deliver("evt_1", part).reason,
    )
    world.payments.is_away = False
    world.clock.moment += timedelta(hours=1)
    run(world.retrier.run_once())
    assert (EventStatus.APPLIED, 50) == (world.ledger.inbox.status("evt_1"), world.balance())
    world.payments.is_away = True
    assert EventStatus.NOTHING_NEW == world.deliver("evt_2", part).status


def test_a_claim_of_a_sale_that_is_reported_in_part_is_kept(world: World) -> None:
    """What an operator says of it goes before what the rest says."""
    nameless = attrs.evolve(PERIOD, attribution=Attribution(user_reference="ada", plan_id="monthly"))
    world.payments.teach_complete(nameless)
    part = attrs.evolve(nameless, is_complete=False)
    assert "user_not_a_uuid" == world.deliver("evt_1", part).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    assert 50 == world.balance()


def test_a_sale_of_which_nobody_knows_the_rest_waits(world: World) -> None:
    """Where it is known to nobody, and where it is none of ours in whole."""
    part = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"), is_complete=False)
    assert "incomplete_invoice" == world.deliver("evt_1", part).reason


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
    # Of what is no period the payment is told, by invoices of their own.
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
    back = Refunded(Refund(id="re_9", amount=1000, status=RefundStatus.SUCCEEDED))
    world.deliver(
        "evt_9", PaymentReport(purchase_id=PurchaseId("pi_9"), links=linked("payment_intent:pi_9"), facts=(back,))
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


def test_the_cache_forgets_who_has_left(world: World) -> None:
    """A quota is told of nobody."""
    world.deliver("evt_1", SALE)
    worker = OutboxWorker(outbox=world.ledger.outbox, accounts=world.ledger, cache=world.cache, invoices=world.payments)
    world.ledger.delete_user(ADA)
    assert run(world.cache.find(ADA)) is not None
    run(worker.run_once())
    assert run(world.cache.find(ADA)) is None


def test_the_invoice_is_sent_once_for_a_purchase(world: World) -> None:
    """Whoever tells of the payment, and although the first try met trouble."""
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


def test_a_payment_of_others_is_ignored_and_an_unknown_one_waits(world: World) -> None:
    """Only an answer of Stripe's proves that a refund is another application's."""
    world.payments.teach(linked("charge:ch_1"), ours=False)
    recorded = world.deliver("evt_1", refund("re_1", 100))
    assert (EventStatus.IGNORED, "no metadata of ours") == (recorded.status, recorded.reason)
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


def subscribed(occurred_at: datetime = NOON, **attribution: Any) -> SubscriptionReport:
    report = {"user_reference": ADA, "plan_id": "monthly", **attribution}
    return SubscriptionReport(
        subscription_id=SubscriptionId("sub_1"),
        attribution=Attribution(**report),
        session_id="cs_7",
        occurred_at=occurred_at,
    )


def test_a_period_that_names_nobody_has_its_subscription_s_owner(world: World) -> None:
    """From the ledger if it knows the subscription, else from Stripe; else it waits, and follows by itself."""
    world.payments.is_away = True
    assert "no_user_named" == world.deliver("evt_1", PERIOD).reason
    world.deliver("evt_2", subscribed())
    run(world.ledger.inbox.make_all_due())
    assert [EventStatus.APPLIED] == [one.recorded.status for one in run(world.retrier.run_once())]
    assert 50 == world.balance()


def test_stripe_names_a_subscription_s_owner(world: World) -> None:
    """Or says that it is none of ours."""
    world.payments.teach_subscription(subscribed())
    world.deliver("evt_1", PERIOD)
    assert 50 == world.balance()
    other = SubscriptionId("sub_2")
    world.payments.teach_subscription(attrs.evolve(subscribed(), subscription_id=other, attribution=Attribution()))
    of_another = attrs.evolve(
        PERIOD, purchase_id=PurchaseId("in_8"), links=linked("invoice:in_8"), subscription_id=other
    )
    assert EventStatus.IGNORED is world.deliver("evt_2", of_another).status


@pytest.mark.parametrize(("asked", "credits_"), [(500, 50), (2000, 300)])
def test_an_upgraded_period_brings_the_credits_of_its_price(world: World, asked: int, credits_: int) -> None:
    """The terms of the first sale hold for its price; another price is another plan's of today."""
    attribution = Attribution(user_reference=ADA, plan_id="monthly", terms=Terms(credits=50, price=FIVE_DOLLARS))
    world.deliver("evt_1", priced(asked, attribution))
    assert credits_ == world.balance()


def test_a_price_of_two_plans_is_nobody_s_guess(world: World) -> None:
    """Only the plan that is named may have it, or one alone; the reason names the price."""
    price = Money(amount=2000, currency="usd")
    twin = attrs.evolve(TEAM, id=PlanId("twin"), terms=Terms(credits=9, price=price))
    recorder = attrs.evolve(world.recorder, catalogue=Catalogue({**CATALOGUE.plans, twin.id: twin}))
    by_monthly = priced(2000, Attribution(user_reference=ADA, plan_id="monthly"))
    assert "plan_ambiguous: price_7" == run(recorder.record(None, by_monthly)).reason
    by_twin = priced(2000, Attribution(user_reference=ADA, plan_id="twin"))
    assert 9 == run(recorder.record(None, by_twin)).credits


def test_a_period_of_no_plan_s_price_is_parked(world: World) -> None:
    """Nobody guesses what it is worth."""
    attribution = Attribution(user_reference=ADA, plan_id="monthly")
    assert "price_disagrees: price_7" == world.deliver("evt_1", priced(777, attribution)).reason


@pytest.mark.parametrize(
    ("quantity", "is_proration", "amount"),
    [(Fraction(10**11), False, 500 * 10**11), (Fraction(10**12 + 1, 10**12), False, 500), (Fraction(1), True, 10**13)],
)
def test_a_line_of_more_than_can_be_kept_is_parked(
    world: World, quantity: Fraction, is_proration: bool, amount: int
) -> None:
    """It is misread, or a person must look; no ledger would take it."""
    huge = attrs.evolve(MONTHLY, terms=Terms(credits=MAX_CREDITS - 1, price=FIVE_DOLLARS))
    recorder = attrs.evolve(world.recorder, catalogue=Catalogue({huge.id: huge}))
    line = attrs.evolve(LINE, quantity=quantity, is_proration=is_proration, amount=amount, net=amount, gross=amount)
    report = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"), lines=(line,))
    assert "price_disagrees: price_7" == run(recorder.record(None, report)).reason


def test_a_refund_in_another_currency_is_parked(world: World) -> None:
    """It can't be measured by what was paid, whichever of the two comes first."""
    euros = attrs.evolve(refund("re_1", 100, by="both"), facts=(CurrencyReported("eur"),))
    world.deliver("evt_1", SALE)
    assert "currency_disagrees" == world.deliver("evt_2", euros).reason
    assert 50 == world.balance()
    other = World()
    other.deliver("evt_1", euros)
    assert "currency_disagrees" == other.deliver("evt_2", SALE).reason


def test_a_user_who_left_is_parked_and_followed_when_back(world: World) -> None:
    """A refund can't be posted to nobody, and waits; nothing loops."""
    world.deliver("evt_1", SALE)
    world.ledger.delete_user(ADA)
    assert "user_deleted" == world.deliver("evt_2", refund("re_1", 500, by="both")).reason
    assert (
        "user_deleted"
        == world.deliver("evt_3", attrs.evolve(SALE, purchase_id=PurchaseId("pi_9"), links=linked("a:1"))).reason
    )


def test_a_renewal_of_a_user_who_left_names_the_subscription(world: World) -> None:
    """So that somebody cancels it: else it is paid for in vain again and again."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_0", SALE)
    world.deliver("evt_1", began)
    world.ledger.delete_user(ADA)
    assert (
        "user_deleted: cancel subscription sub_1"
        == world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named)).reason
    )
    other = attrs.evolve(began, subscription_id=SubscriptionId("sub_2"))
    assert "user_deleted: cancel subscription sub_2" == world.deliver("evt_3", other).reason
    backlog = run(world.ledger.backlog())
    assert {("parked", "user_deleted"): 2} == backlog.events


def test_who_left_within_a_trial_was_there_all_the_same(world: World) -> None:
    """No entry tells of them, but the subscription does; of one that nobody knew, nobody can tell."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_1", began)
    world.ledger.delete_user(ADA)
    for number, attribution in enumerate((named, Attribution())):
        report = attrs.evolve(PERIOD, attribution=attribution)
        assert "user_deleted: cancel subscription sub_1" == world.deliver(f"evt_2{number}", report).reason
    other = attrs.evolve(PERIOD, attribution=named, subscription_id=SubscriptionId("sub_2"))
    assert "unknown_user" == world.deliver("evt_3", other).reason
    stranger = attrs.evolve(PERIOD, attribution=attrs.evolve(named, user_reference=BOB))
    assert "unknown_user" == world.deliver("evt_4", stranger).reason


@pytest.mark.parametrize("status", [SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED])
def test_a_subscription_that_ended_is_not_to_be_canceled(world: World, status: SubscriptionStatus) -> None:
    """Neither where the news themselves say so, nor where it is known from earlier ones."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    state = SubscriptionState(occurred_at=NOON, status=status)
    ended = SubscriptionReport(
        subscription_id=SubscriptionId("sub_1"), attribution=named, state=state, occurred_at=NOON
    )
    world.deliver("evt_0", SALE)
    world.deliver("evt_1", ended)
    world.ledger.delete_user(ADA)
    assert "user_deleted" == world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named)).reason
    assert "user_deleted" == world.deliver("evt_3", attrs.evolve(ended, subscription_id=SubscriptionId("sub_2"))).reason


@pytest.mark.parametrize("seconds", [0, 3 * 3600])
def test_all_that_waits_is_tried_again_and_then_it_ends(world: World, seconds: int) -> None:
    """Also where trying takes so long that what was tried first is due again by then."""
    ids = {f"evt_{number}" for number in range(2 * BATCH + 10)}
    for id_ in ids:
        world.deliver(id_, attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")))

    class Slow(Kept):
        def read(self, body: str) -> Delivery:
            world.clock.moment += timedelta(seconds=seconds)
            return super().read(body)

    retrier = attrs.evolve(world.retrier, deliveries=Slow(world.deliveries.report))
    handled = run(retrier.retry_all())
    assert sorted(ids) == sorted(one.event.id for one in handled)
    assert {EventStatus.PARKED} == {one.recorded.status for one in handled}


def test_who_has_a_batch_tried_again_and_again_goes_through_all_that_waits(world: World) -> None:
    """What was tried of late comes after what was not, until nothing else is left."""
    ids = {f"evt_{number}" for number in range(2 * BATCH)}
    for id_ in ids:
        world.deliver(id_, attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")))
    tried: list[str] = []
    for _ in range(2):
        tried += [one.event.id for one in run(world.retrier.retry())]
        world.clock.moment += timedelta(seconds=1)
    assert sorted(ids) == sorted(tried)


PROPOSED = attrs.evolve(SALE, attribution=Attribution(client_reference=ADA, plan_id="starter"))


def test_an_operator_s_claim_holds_for_all_that_follows(world: World) -> None:
    """A later event of the session that still names nobody is applied to the claimed purchase."""
    unpaid = attrs.evolve(PROPOSED, facts=(PaymentReported(PaymentStatus.UNPAID),))
    assert "reference_unconfirmed" == world.deliver("evt_1", unpaid).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    assert 0 == world.balance()
    assert EventStatus.APPLIED is world.deliver("evt_2", PROPOSED).status
    assert 50 == world.balance()
    with pytest.raises(NotClaimable):
        run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    with pytest.raises(UnknownEvent):
        run(world.retrier.claim("evt_9", Confirmation(user_id=ADA)))


@pytest.mark.parametrize(
    ("report", "reason", "confirmation"),
    [
        (attrs.evolve(SALE, attribution=Attribution(plan_id="starter")), "no_user_named", {}),
        (attrs.evolve(SALE, attribution=Attribution(user_reference="ada", plan_id="starter")), "user_not_a_uuid", {}),
        (attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")), "unknown_user", {}),
        (
            attrs.evolve(SALE, attribution=attrs.evolve(SALE.attribution, email="eve@example.com")),
            "email_disagrees",
            {},
        ),
        (
            attrs.evolve(SALE, attribution=Attribution(user_reference=ADA, plan_id="gold")),
            "unknown_plan",
            {"plan_id": "starter"},
        ),
        (attrs.evolve(SALE, subtotal=Money(amount=499, currency="usd")), "price_disagrees", {"accepts_price": True}),
        (attrs.evolve(SALE, subtotal=Money(amount=500, currency="eur")), "currency_disagrees", {"accepts_price": True}),
    ],
)
def test_every_doubt_about_a_sale_can_be_resolved(
    world: World, report: SaleReport, reason: str, confirmation: dict[str, Any]
) -> None:
    """A person who looked may name the owner, the plan, or accept the price."""
    assert reason == world.deliver("evt_1", report).reason
    assert EventStatus.APPLIED is run(world.retrier.claim("evt_1", Confirmation(user_id=ADA, **confirmation))).status
    assert 50 == world.balance()


def test_a_claimed_subscription_keeps_its_owner(world: World) -> None:
    """Later tellings of the subscription, and its invoices, don't name another."""
    world.ledger.add_user(BOB)
    proposal = subscribed(user_reference=None, client_reference=ADA)
    assert "reference_unconfirmed" == world.deliver("evt_1", proposal).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    world.deliver("evt_2", subscribed(NOON + timedelta(days=1), user_reference=BOB))
    world.deliver("evt_3", attrs.evolve(PERIOD, attribution=Attribution(user_reference=BOB, plan_id="monthly")))
    assert (50, 0) == (world.balance(), world.balance(BOB))


def test_a_replay_decides_an_ignored_event_again(world: World) -> None:
    """What an older version ignored is applied; what stands already changes nothing; one that never came is fetched."""
    world.deliver("evt_1", Irrelevant("not used yet"))
    world.delivery("evt_1", SALE)
    assert EventStatus.APPLIED is run(world.retrier.replay("evt_1")).status
    assert EventStatus.NOTHING_NEW is run(world.retrier.replay("evt_1")).status
    assert EventStatus.APPLIED is world.ledger.inbox.status("evt_1")
    world.payments.remember(world.delivery("evt_2", refund("re_1", 500, by="both")))
    assert EventStatus.APPLIED is run(world.retrier.replay("evt_2")).status
    assert 0 == world.balance()
    with pytest.raises(UnknownEvent):
        run(world.retrier.replay("evt_3"))


def test_a_body_that_can_not_be_read_any_more_is_failed(world: World) -> None:
    """It stays in the inbox with its reason, and is tried again."""
    world.deliver("evt_1", attrs.evolve(SALE, attribution=Attribution(plan_id="starter")))
    del world.deliveries.report["evt_1"]
    run(world.ledger.inbox.make_all_due())
    (handled,) = run(world.retrier.run_once())
    assert EventStatus.FAILED is handled.recorded.status
    assert EventStatus.FAILED is world.ledger.inbox.status("evt_1")


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
    aged = attrs.evolve(later.facts[0].dispute, occurred_at=NOON + timedelta(hours=1))  # type: ignore[union-attr]
    world.payments.have(
        Found(
            object_id="dp_1",
            kind="dispute",
            delivery=world.delivery("reconciled_dp_1", attrs.evolve(later, facts=(Disputed(aged),))),
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
    run(CacheAuditor(audit=audit, cache=cache).sync(ADA))
    copy = run(world.cache.find(ADA))
    assert copy is not None
    assert 40 == copy.balance == world.balance()


def test_a_repair_mends_the_ledger_although_the_cache_is_away(world: World) -> None:
    """The cache's absence is told once that is done."""

    class AwayCache(MemoryQuotaCache):
        async def forget(self, user_id: UserId) -> None:
            raise CacheUnavailable("no answer")

    world.deliver("evt_1", SALE)
    tamper(world.ledger, ADA, balance=1_000_000)
    with pytest.raises(CacheUnavailable):
        run(CacheAuditor(audit=world.ledger.audit, cache=AwayCache()).sync(ADA))
    assert 50 == world.balance()
