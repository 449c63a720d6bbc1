"""What the return page is told of a checkout, and which checkouts are not begun at all."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.stripe.events import read_event
from domain.decisions.checkout_progress import CheckoutProgress, CheckoutStage
from domain.payments.purchases import Link
from domain.payments.reports import SaleReport
from domain.ports.payment_provider import Checkout, CheckoutRequest, PaymentsUnavailable, PriceNotSold
from domain.usecases.check_out import CheckoutService
from domain.usecases.read_account import AccountReader
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.selling.sellable_plans import AlreadySubscribed, HasSubscription
from domain.usecases.tests.memory_customers import customers_of
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PushedPrice, prices_of, product_of
from domain.values.return_pages import ReturnPages
from features.billing.packs import NAMED, completed, refund_of, session
from features.billing.payloads import SUBSCRIPTION, USER, Payload, StripePrice, ended, invoice, line
from features.billing.reversals import credit_note, dispute, refund
from features.billing.world import ADA, PLANS, StripeEvent, World, plan

FREE = StripePrice(id="price_free", amount=0)
TRIED = StripePrice(id="price_tried", amount=700)
MONTHLY = StripePrice(id="price_monthly", amount=900)
PRICES = (FREE, TRIED, MONTHLY)
ON_SALE = (
    *PLANS,
    plan("free", 10, 0, stripe_prices=("price_free",)),
    plan("tried", 70, 700, trial_credits=5, stripe_prices=("price_tried",)),
    plan("short", 20, 200, None, expires_after_days=10),
)
WHOSE = {"userId": USER, "plan": "monthly"}


@attrs.define
class Sessions:
    """Checkout sessions as Stripe has them."""

    found: Checkout | None = None
    opened: int = 0
    asked: list[CheckoutRequest] = attrs.field(factory=list)
    archived: set[str] = attrs.field(factory=set)

    async def create(self, request: CheckoutRequest) -> Checkout:
        self.asked.append(request)
        if request.price_id in self.archived:
            raise PriceNotSold(request.price_id)
        self.opened += 1
        report = read_event("checkout.session.completed", session(), datetime.now(UTC), retrieved=True)
        return Checkout(session_id="cs_1", url=None, status="open", report=report)

    async def retrieve(self, session_id: str) -> Checkout | None:
        return self.found


class Away:
    """Stripe's subscriptions while Stripe is away, so that the ledger decides."""

    async def find(self, subscription_id: str) -> None:
        raise PaymentsUnavailable("away")


class Shop(World):
    """A world with a return page, where an account may have several subscriptions unless it is said otherwise."""

    def __init__(self, *, one_subscription: bool = False) -> None:
        super().__init__(ON_SALE, PRICES)
        away: Any = Away()
        self.sessions = Sessions()
        self.checkouts = CheckoutService(
            checkouts=self.sessions,
            pages=ReturnPages(success_url="https://shop.test/ok", cancel_url="https://shop.test/"),
            accounts=self.ledger,
            ledger=self.ledger,
            markers=MemorySessionMarkers(self.clock, MemoryQuotaCache()),
            catalogue=attrs.evolve(self.recorder.catalogue, one_subscription=one_subscription),
            prices=self.ledger.prices,
            recorder=self.recorder,
            reader=AccountReader(accounts=self.ledger, audit=self.ledger.audit, cache=MemoryQuotaCache()),
            subscriptions=SubscriptionReader(accounts=self.ledger, subscriptions=self.ledger, provider=away),
            customers=customers_of(self.ledger),
        )

    async def returns(self, about: Payload, bill: Payload | None = None) -> CheckoutProgress:
        """Follow a session as Stripe has it, with the first invoice of its subscription."""
        now = datetime.now(UTC).replace(microsecond=0)
        report = read_event("checkout.session.completed", about, now, retrieved=True)
        of_bill = read_event("invoice.paid", bill, now, retrieved=True) if bill else None
        if isinstance(of_bill, SaleReport):
            of_bill = attrs.evolve(of_bill, links=of_bill.links | {Link("session:cs_1")})
        self.sessions.found = Checkout(
            session_id="cs_1", url=None, status=about["status"], report=report, invoice_report=of_bill
        )
        return await self.checkouts.follow(ADA, "cs_1")

    async def start(self, plan_id: str, key: str | None = None) -> CheckoutRequest:
        """Begin a checkout, under a key if the customer's page has one; returns what Stripe was asked for."""
        await self.checkouts.start(
            ADA, email=None, plan_id=PlanId(plan_id), idempotency_key=key or "key", is_repeatable=key is not None
        )
        return self.sessions.asked[-1]

    async def push(self, price_id: str, plan_id: str, *, is_for_sale: bool = True, **terms: object) -> None:
        """Record a pushed price of the plan, on its terms or on others."""
        (sold,) = prices_of(self.recorder.catalogue.plans[PlanId(plan_id)])
        sells = attrs.evolve(sold, **terms)  # type: ignore[arg-type]  # the terms, by name
        price = PushedPrice(id=price_id, product_id=product_of(plan_id), sells=sells, is_for_sale=is_for_sale)
        await self.ledger.prices.record(price)


def subscribed(plan_id: str) -> Payload:
    return session(mode="subscription", subscription=SUBSCRIPTION, intent=None, metadata={**WHOSE, "plan": plan_id})


def first(amount: int, price: StripePrice, plan_id: str, *, days: tuple[float, float] = (0, 31)) -> Payload:
    return invoice(
        "in_1",
        line("il_1", amount, price, days=days),
        paid=0,
        reason="subscription_create",
        metadata={**WHOSE, "plan": plan_id},
    )


async def test_what_costs_nothing_is_credited_with_its_credits() -> None:
    """A pack at 100 % off, and a plan whose price is 0."""
    pack = await Shop().returns(session(total=0, intent=None))
    assert (CheckoutStage.CREDITED, 50) == (pack.stage, pack.credits)
    free = await Shop().returns(subscribed("free"), first(0, FREE, "free"))
    assert (CheckoutStage.CREDITED, 10) == (free.stage, free.credits)


async def test_a_trial_says_that_it_started() -> None:
    """Without credits, unless the plan brings some for the trial."""
    trial = await Shop().returns(subscribed("monthly"), first(0, MONTHLY, "monthly", days=(0, 7)))
    assert (CheckoutStage.TRIAL_STARTED, 0, "monthly") == (trial.stage, trial.credits, trial.plan_id)
    shop = Shop()
    tried = await shop.returns(subscribed("tried"), first(0, TRIED, "tried", days=(0, 7)))
    assert (CheckoutStage.CREDITED, 5) == (tried.stage, tried.credits)
    await shop.at(8)
    assert CheckoutStage.CREDITS_EXPIRED is (await shop.returns(subscribed("tried"))).stage


async def test_a_free_plan_that_the_account_has_brings_nothing() -> None:
    """It is done all the same."""
    shop = Shop()
    other = first(0, FREE, "free")
    other = {**other, "id": "in_0", "subscription": "sub_0"}
    other["lines"]["data"][0] |= {"id": "il_0", "subscription": "sub_0", "subscription_item": "si_0"}
    await shop.pay(other)
    again = await shop.returns(subscribed("free"), first(0, FREE, "free"))
    assert (CheckoutStage.NOTHING_DUE, 0) == (again.stage, again.credits)


@pytest.mark.parametrize(
    ("report", "stage", "credits_"),
    [
        (refund_of("pi_1", 500), CheckoutStage.TAKEN_BACK, 0),
        (refund_of("pi_1", 100), CheckoutStage.CREDITED, 40),
        (
            StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 500, "x"), days=1),
            CheckoutStage.TAKEN_BACK,
            0,
        ),
    ],
)
async def test_what_went_back_is_reported(report: StripeEvent, stage: CheckoutStage, credits_: int) -> None:
    """All of it, or a part."""
    shop = Shop()
    report.about["payment_intent"] = "pi_1"
    await shop.deliver(completed(session()), attrs.evolve(report, id=f"evt_of_{id(shop)}"))
    found = await shop.returns(session())
    assert (stage, credits_) == (found.stage, found.credits)


async def test_a_period_that_was_refunded_is_taken_back() -> None:
    """As a pack is; a credit note of all of it, too."""
    for back in (
        StripeEvent(type="refund.created", about=refund("re_1", 900, "in_1"), days=1),
        StripeEvent(type="credit_note.created", about=credit_note("cn_1", "in_1", after=900), days=1),
    ):
        shop = Shop()
        assert 100 == (await shop.returns(subscribed("monthly"), first(900, MONTHLY, "monthly"))).credits
        await shop.deliver(attrs.evolve(back, id=f"evt_of_{id(shop)}"))
        found = await shop.returns(subscribed("monthly"))
        assert (CheckoutStage.TAKEN_BACK, 0) == (found.stage, found.credits)


async def test_credits_whose_time_is_over_are_reported_as_such() -> None:
    """Those of a pack that lasts some days."""
    shop, about = Shop(), session(subtotal=200, metadata={**NAMED, "plan": "short"})
    await shop.deliver(completed(about))
    assert CheckoutStage.CREDITED is (await shop.returns(about)).stage
    await shop.at(11)
    found = await shop.returns(about)
    assert (CheckoutStage.CREDITS_EXPIRED, 0) == (found.stage, found.credits)


async def test_what_waits_is_reported_truthfully() -> None:
    """For a person, for Stripe's answer, or for the money."""
    strange = session(subtotal=4200)
    shop = Shop()
    shop.payments.teach_items("cs_1", ())
    assert CheckoutStage.UNDER_REVIEW is (await shop.returns(strange)).stage
    assert CheckoutStage.PROCESSING is (await shop.returns({**strange, "payment_status": "unpaid"})).stage
    shop.payments.is_away = True
    away = Shop()
    away.payments.is_away = True
    assert CheckoutStage.PROCESSING is (await away.returns(strange)).stage
    assert CheckoutStage.EXPIRED is (await Shop().returns(session(status="expired", payment_status="unpaid"))).stage
    assert CheckoutStage.OPEN is (await Shop().returns(session(status="open", payment_status="unpaid"))).stage


async def test_a_free_plan_is_not_begun_twice_at_a_time() -> None:
    """Not while its period is under way, nor while its subscription goes on; what costs something always is."""
    shop = Shop()
    await shop.start("free")
    assert 1 == shop.sessions.opened
    await shop.pay(first(0, FREE, "free"))
    with pytest.raises(AlreadySubscribed):
        await shop.start("free")
    await shop.start("monthly")
    await shop.start("pack")
    going_on = StripeEvent(type="customer.subscription.updated", about=ended(31, status="active"), days=1)
    await shop.deliver(going_on)
    with pytest.raises(AlreadySubscribed):
        await (await shop.at(40)).start("free")  # type: ignore[attr-defined]  # the world is a shop
    await shop.deliver(StripeEvent(type="customer.subscription.deleted", about=ended(31), days=41))
    await shop.start("free")
    assert 4 == shop.sessions.opened


async def test_a_checkout_sells_a_pushed_price_on_exactly_the_present_terms() -> None:
    """One of other terms, or out of sale, or of another plan is not sold; then the terms are written out."""
    shop = Shop()
    await shop.push("price_old", "monthly", money=Money(amount=800, currency="usd"))
    await shop.push("price_euro", "monthly", money=Money(amount=900, currency="eur"))
    await shop.push("price_fewer", "monthly", credits=99)
    await shop.push("price_year", "monthly", interval="year")
    await shop.push("price_two", "monthly", interval_count=2)
    await shop.push("price_retired", "monthly", is_for_sale=False)
    await shop.push("price_pack", "pack")
    assert (await shop.start("monthly")).price_id is None
    await shop.push("price_1", "monthly")
    assert "price_1" == (await shop.start("monthly")).price_id
    assert "price_pack" == (await shop.start("pack")).price_id


async def test_a_price_that_stripe_does_not_sell_prevents_no_checkout() -> None:
    """It was archived since, by a push or by hand: the terms are written out, under a key of their own."""
    shop = Shop()
    await shop.push("price_1", "monthly")
    shop.sessions.archived = {"price_1"}
    for _ in range(2):
        last = await shop.start("monthly", "clicked")
        assert (None, "clicked-inline") == (last.price_id, last.idempotency_key)
    assert ["price_1", None, "price_1", None] == [request.price_id for request in shop.sessions.asked]


async def test_a_click_that_is_repeated_after_a_push_asks_for_the_same() -> None:
    """Stripe compares: the first price stays, of whichever kind, unless it has other terms than those of today."""
    shop = Shop()
    assert (await shop.start("monthly", "before")).price_id is None
    await shop.push("price_1", "monthly")
    assert (await shop.start("monthly", "before")).price_id is None
    assert "price_1" == (await shop.start("monthly", "after")).price_id
    await shop.push("price_1", "monthly", is_for_sale=False)
    assert "price_1" == (await shop.start("monthly", "after")).price_id
    assert (await shop.start("monthly", "later")).price_id is None


async def test_one_subscription_is_begun_at_a_time() -> None:
    """Where the catalogue says so: until the first one has ended. Packs are sold beside it."""
    shop = Shop(one_subscription=True)
    await shop.pay(first(900, MONTHLY, "monthly"))
    with pytest.raises(HasSubscription) as refused:
        await shop.start("pro")
    assert SUBSCRIPTION == refused.value.subscription_id
    await shop.start("pack")
    await shop.deliver(StripeEvent(type="customer.subscription.deleted", about=ended(31), days=10))
    await shop.start("pro")
    assert 2 == shop.sessions.opened
