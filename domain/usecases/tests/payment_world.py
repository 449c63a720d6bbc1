"""Payments on the in-memory adapters: what Stripe says of them, and a world to which it reports."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from domain.payments.disputes import Dispute, DisputeStatus
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import (
    Attribution,
    Delivery,
    InboxEvent,
    InvoiceLine,
    PaymentReport,
    Price,
    ProviderReport,
    SaleReport,
    SubscriptionReport,
)
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import InvalidBody
from domain.tests.examples import ADA, FIVE_DOLLARS, MONTHLY, NOON, STARTER, SetClock
from domain.tests.examples import run_at_once as run
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import InboxRetrier
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Catalogue, PlanId, PlanMode, Terms

TEAM = attrs.evolve(MONTHLY, id=PlanId("team"), terms=Terms(credits=300, price=Money(amount=2000, currency="usd")))
LASTING = attrs.evolve(STARTER, id=PlanId("lasting"), expires_after_days=30)
CATALOGUE = Catalogue({plan.id: plan for plan in (STARTER, MONTHLY, TEAM, LASTING)})


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
            markers=MemorySessionMarkers(self.clock, self.cache),
            payments=self.payments,
            catalogue=CATALOGUE,
            livemode=False,
        )
        self.retrier = InboxRetrier(
            inbox=self.ledger.inbox, deliveries=self.deliveries, history=self.payments, recorder=self.recorder
        )
        self.reconciler = Reconciler(history=self.payments, inbox=self.ledger.inbox, recorder=self.recorder)
        self.auditor = CacheAuditor(audit=self.ledger.audit, cache=self.cache, markers=self.recorder.markers)

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
    facts=Purchase(payment=PaymentStatus.PAID),
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
    facts=Purchase(payment=PaymentStatus.PAID),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(),
    subscription_id=SubscriptionId("sub_1"),
    lines=(LINE,),
)


def refund(
    id_: str, amount: int, status: RefundStatus = RefundStatus.SUCCEEDED, *, by: str = "charge"
) -> PaymentReport:
    names = {"charge": ("charge:ch_1",), "both": ("charge:ch_1", "payment_intent:pi_1")}[by]
    return PaymentReport(
        purchase_id=PurchaseId("ch_1" if by == "charge" else "pi_1"),
        links=linked(*names),
        facts=Purchase(refunds=(Refund(id=id_, amount=amount, status=status),), currencies=frozenset({"usd"})),
    )


def dispute(status: DisputeStatus, after: int, *, of: str = "dp_1", amount: int = 100) -> PaymentReport:
    found = Dispute(id=of, occurred_at=NOON + timedelta(seconds=after), amount=amount, status=status)
    return PaymentReport(
        purchase_id=PurchaseId("pi_1"), links=linked("payment_intent:pi_1"), facts=Purchase(disputes=(found,))
    )


LIFE: tuple[ProviderReport, ...] = (
    attrs.evolve(SALE, facts=Purchase(payment=PaymentStatus.UNPAID)),
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


def subscribed(occurred_at: datetime = NOON, **attribution: Any) -> SubscriptionReport:
    report = {"user_reference": ADA, "plan_id": "monthly", **attribution}
    return SubscriptionReport(
        subscription_id=SubscriptionId("sub_1"),
        attribution=Attribution(**report),
        session_id="cs_7",
        occurred_at=occurred_at,
    )


PROPOSED = attrs.evolve(SALE, attribution=Attribution(client_reference=ADA, plan_id="starter"))
