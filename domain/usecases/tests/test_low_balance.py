"""A balance that runs low is reported once, whatever lowered it, and until somebody takes the notice."""

import uuid
from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.notifications import MemoryNotifications
from adapters.memory.payments import MemoryPayments
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.decisions.low_balance import LOW_BALANCE, Undelivered
from domain.decisions.operations import (
    AdjustCredits,
    CaptureHold,
    CreditOperation,
    ExpireOverdue,
    GrantCredits,
    PlaceHold,
    Spend,
    VoidHold,
)
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import Attribution, PaymentReport, ProviderReport, SaleReport
from domain.tests.examples import ADA, FIVE_DOLLARS, NOON, STARTER, SetClock
from domain.usecases.deliver_messages import MAX_ATTEMPTS, OutboxWorker
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.tests.memory_customers import customers_of
from domain.usecases.use_credits import CreditService
from domain.values.plans import Catalogue, PlanMode

LINKS = frozenset({Link("payment_intent:pi_1")})
SALE = SaleReport(
    purchase_id=PurchaseId("pi_1"),
    session_id="cs_1",
    links=LINKS,
    mode=PlanMode.PAYMENT,
    facts=Purchase(payment=PaymentStatus.PAID),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(user_reference=ADA, plan_id="starter"),
)


def refund(refund_id: str, amount: int) -> PaymentReport:
    fact = Purchase(refunds=(Refund(id=refund_id, amount=amount, status=RefundStatus.SUCCEEDED),))
    return PaymentReport(purchase_id=PurchaseId(refund_id), links=LINKS, facts=fact)


class Shop:
    """Ada's account at a service that warns below so many credits."""

    def __init__(self, threshold: int | None = 20) -> None:
        self.clock, self.cache = SetClock(), MemoryQuotaCache()
        self.ledger = MemoryLedger(self.clock)
        self.ledger.add_user(ADA)
        self.notifications = MemoryNotifications()
        self.service = CreditService(ledger=self.ledger, wallets=self.ledger, cache=self.cache, notify_below=threshold)
        self.recorder = PaymentRecorder(
            ledger=self.ledger,
            cache=self.cache,
            markers=MemorySessionMarkers(self.clock, self.cache),
            payments=MemoryPayments(),
            catalogue=Catalogue({STARTER.id: STARTER}),
            livemode=False,
            notify_below=threshold,
        )
        self.worker = OutboxWorker(
            outbox=self.ledger.outbox,
            invoices=MemoryPayments(),
            customers=customers_of(self.ledger),
            notifications=self.notifications,
        )

    async def ask(self, *operations: CreditOperation) -> None:
        await self.service.execute(operations, self.clock.now())

    async def receive(self, report: ProviderReport) -> None:
        await self.recorder.record(None, report)

    async def deliver(self) -> None:
        await self.worker.run_once(LOW_BALANCE)

    async def available(self) -> int:
        account = await self.ledger.account(ADA)
        assert account is not None
        return account.available

    def notices(self) -> list[object]:
        return [notice.content["available"] for notice in self.notifications.taken]


HOLDS = tuple(HoldId(str(uuid.UUID(int=number))) for number in range(2))
amounts = st.sampled_from([5, 10, 15, 30])
keys = st.integers(0, 20).map(str)
acts = st.one_of(
    st.just(timedelta(hours=3)),
    st.just(SALE),
    st.builds(refund, st.sampled_from(["re_1", "re_2"]), st.sampled_from([100, 250])),
    st.builds(Spend, user_id=st.just(ADA), credits=amounts, key=keys),
    st.builds(
        PlaceHold,
        hold_id=st.sampled_from(HOLDS),
        user_id=st.just(ADA),
        credits=amounts,
        key=keys,
        lasts=st.just(timedelta(hours=5)),
    ),
    st.builds(CaptureHold, hold_id=st.sampled_from(HOLDS), credits=st.sampled_from([None, 5])),
    st.builds(VoidHold, hold_id=st.sampled_from(HOLDS)),
    st.builds(
        GrantCredits,
        user_id=st.just(ADA),
        credits=amounts,
        kind=st.just(EntryKind.PROMOTION),
        key=keys,
        reason=st.just("thanks"),
        operator=st.just("Grace"),
        expires_at=st.sampled_from([None, NOON + timedelta(hours=6)]),
    ),
    st.builds(
        AdjustCredits,
        user_id=st.just(ADA),
        credits=st.sampled_from([-10, 20]),
        key=keys,
        reason=st.just("recount"),
        operator=st.just("Grace"),
    ),
    st.builds(ExpireOverdue, user_id=st.just(ADA)),
)


@given(st.lists(acts, max_size=25), st.sampled_from([None, 0, 1, 20, 40]))
async def test_each_fall_below_the_threshold_is_reported_once(history: list[object], threshold: int | None) -> None:
    """Whatever happens: as many notices as falls below it, each with what was available then; none while it is low."""
    shop, falls = Shop(threshold), []
    for act in history:
        before = await shop.available()
        match act:
            case timedelta():
                shop.clock.moment += act
            case SaleReport() | PaymentReport():
                await shop.receive(act)
            case _:
                await shop.ask(act)  # type: ignore[arg-type]
        if threshold is not None and await shop.available() < threshold <= before:
            falls.append(await shop.available())
    await shop.deliver()
    assert falls == shop.notices()
    assert len(falls) == len({notice.id for notice in shop.notifications.taken})


async def test_a_refund_warns_as_a_spend_does() -> None:
    """What Stripe reports lowers balances too."""
    shop = Shop()
    await shop.receive(SALE)
    await shop.receive(refund("re_1", 400))
    await shop.deliver()
    assert [10] == shop.notices()
    assert NOON == shop.notifications.taken[0].occurred_at


async def test_a_notice_is_reported_again_until_it_is_taken() -> None:
    """Less and less often, under the same name, and with what was so when it happened."""
    shop = Shop()
    await shop.receive(SALE)
    await shop.ask(Spend(user_id=ADA, credits=40, key="a"))
    shop.notifications.refusal = Undelivered(cause="answered 500")
    await shop.deliver()
    await shop.deliver()
    assert 1 == len(shop.notifications.tried)
    shop.clock.moment += timedelta(seconds=2)
    await shop.deliver()
    await shop.ask(Spend(user_id=ADA, credits=5, key="b"))
    shop.notifications.refusal = None
    shop.clock.moment += timedelta(seconds=4)
    await shop.deliver()
    assert [10] == shop.notices()
    assert 3 == len(shop.notifications.tried)
    assert 1 == len({notice.id for notice in shop.notifications.tried})


@pytest.mark.parametrize(
    ("refusal", "error", "tries"),
    [
        (Undelivered(cause="410: the receiver wants no more notices", is_final=True), "410", 1),
        (Undelivered(cause="answered 500"), "answered 500", MAX_ATTEMPTS[LOW_BALANCE]),
    ],
)
async def test_in_the_end_a_notice_is_given_up_where_operators_see_it(
    refusal: Undelivered, error: str, tries: int
) -> None:
    """At once where the receiver wants no more, else after days; it can be asked for again."""
    shop = Shop()
    await shop.receive(SALE)
    await shop.ask(Spend(user_id=ADA, credits=40, key="a"))
    shop.notifications.refusal = refusal
    began = shop.clock.moment
    while not await shop.ledger.outbox.failures(1):
        await shop.deliver()
        shop.clock.moment += timedelta(minutes=5)
    (failure,) = await shop.ledger.outbox.failures(10)
    assert (LOW_BALANCE, tries, error) == (failure.topic, failure.attempts, failure.error[: len(error)])
    assert (tries == 1) == (shop.clock.moment - began < timedelta(days=3))
    shop.notifications.refusal = None
    assert await shop.ledger.outbox.retry(failure.id)
    await shop.deliver()
    assert [10] == shop.notices()


async def test_a_receiver_s_wish_for_a_pause_is_kept() -> None:
    """For a day at most: a notice that is older tells nobody anything."""
    shop = Shop()
    await shop.receive(SALE)
    await shop.ask(Spend(user_id=ADA, credits=40, key="a"))
    shop.notifications.refusal = Undelivered(cause="answered 503", wants_pause_seconds=10**9)
    await shop.deliver()
    shop.clock.moment += timedelta(hours=23)
    await shop.deliver()
    assert 1 == len(shop.notifications.tried)
    shop.clock.moment += timedelta(hours=1)
    await shop.deliver()
    assert 2 == len(shop.notifications.tried)


async def test_a_worker_that_does_not_know_the_address_leaves_the_notice_to_others() -> None:
    """As while a deployment is being given one: it is not lost, and where nobody ever knows, it is given up visibly."""
    shop = Shop()
    await shop.receive(SALE)
    await shop.ask(Spend(user_id=ADA, credits=40, key="a"))
    ignorant, knowing = attrs.evolve(shop.worker, notifications=None), MemoryNotifications()
    await ignorant.run_once(LOW_BALANCE)
    assert 1 == shop.ledger.outbox.count(failed=False)
    shop.clock.moment += timedelta(minutes=1)
    await attrs.evolve(shop.worker, notifications=knowing).run_once(LOW_BALANCE)
    assert 1 == len(knowing.taken)
    assert 0 == shop.ledger.outbox.count(failed=False)
