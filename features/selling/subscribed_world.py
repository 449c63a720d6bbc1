"""A customer who subscribed at the stand-in for Stripe, with the ledger in memory and the real adapter between them."""

import json
import uuid
from datetime import UTC, datetime

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection
from adapters.stripe.envelope import delivery_of
from adapters.stripe.lookup import StripeLookup
from adapters.stripe.subscription_changes import StripeSubscriptionChanges
from domain.credits.ledger import LedgerEntry, period_of
from domain.decisions.operations import Spend
from domain.ports.payment_provider import CheckoutRequest
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.cancel_subscription import SubscriptionCanceler
from domain.usecases.selling.change_subscription import SubscriptionChanger
from domain.usecases.selling.foresight import CreditsForeseer
from domain.usecases.selling.plan_changes import PlanChanger
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.use_credits import CreditService
from domain.values.plans import Catalogue, Plan
from domain.values.return_pages import ReturnPages
from features.billing.world import ADA, PLANS, plan
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.stand_in import StripeStandIn

ON_SALE = (*PLANS, plan("free", 20, 0))
PAGES = ReturnPages(success_url="https://shop.test/ok", cancel_url="https://shop.test/")
START = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())


class StripesClock:
    """The ledger's clock, which shows Stripe's time."""

    def __init__(self, stripe: StripeStandIn) -> None:
        self._stripe = stripe

    def now(self) -> datetime:
        """Return the stand-in's time."""
        return datetime.fromtimestamp(self._stripe.account.now(), UTC)


class SubscribedWorld:
    """The use cases of subscriptions over one stand-in; Stripe's events are told when `hear` is called."""

    def __init__(self, stripe: StripeStandIn, connection: StripeConnection, catalogue: Catalogue | None = None) -> None:
        self.stripe = stripe
        self.ledger = MemoryLedger(StripesClock(stripe))
        self.ledger.add_user(ADA, "ada@example.com")
        catalogue = catalogue or Catalogue({one.id: one for one in ON_SALE})
        cache = MemoryQuotaCache()
        recorder = PaymentRecorder(
            ledger=self.ledger,
            cache=cache,
            markers=MemorySessionMarkers(StripesClock(stripe), cache),
            payments=StripeLookup(connection),
            catalogue=catalogue,
            livemode=False,
        )
        self.provider = StripeSubscriptionChanges(connection)
        foreseer = CreditsForeseer(accounts=self.ledger, recorder=recorder)
        self.reader = SubscriptionReader(accounts=self.ledger, subscriptions=self.ledger, provider=self.provider)
        self.changer = SubscriptionChanger(
            plan_changer=PlanChanger(
                reader=self.reader,
                provider=self.provider,
                ledger=self.ledger,
                catalogue=catalogue,
                prices=self.ledger.prices,
            ),
            provider=self.provider,
            ledger=self.ledger,
            requests=self.ledger,
            foreseer=foreseer,
        )
        self.canceler = SubscriptionCanceler(reader=self.reader, provider=self.provider, foreseer=foreseer)
        self._recorder, self._checkouts, self._heard = recorder, StripeCheckouts(connection), 0
        self._credits = CreditService(ledger=self.ledger, wallets=self.ledger, cache=cache)

    async def subscribe(self, wanted: Plan, *, coupon: int = 0, terms: Terms | None = None) -> str:
        """Buy a plan at a checkout, with a coupon from then on, billed on these terms; return the subscription."""
        request = CheckoutRequest(
            user_id=ADA, email="ada@example.com", plan=wanted, idempotency_key=uuid.uuid4().hex, pages=PAGES
        )
        opened = await self._checkouts.create(request)
        event = self.stripe.account.pay(opened.session_id)
        subscription_id = str(event["data"]["object"]["subscription"])
        found = self.stripe.account.kept("subscription", subscription_id)
        found["_terms"] = terms or found["_terms"]
        if coupon:
            made = new_coupon(self.stripe.account, coupon, duration="forever", months=None)
            self.stripe.account.billing.discount(subscription_id, made["id"])
        await self.hear()
        return subscription_id

    async def hear(self) -> None:
        """Let Stripe report everything that happened since, in its order."""
        events = self.stripe.events[self._heard :]
        self._heard += len(events)
        for event in events:
            await self._recorder.receive(delivery_of(json.dumps(event)))

    async def wait(self, seconds: int) -> None:
        """Let time pass, with all that Stripe bills and reports meanwhile."""
        self.stripe.account.billing.advance(seconds)
        await self.hear()

    def ledger_now(self) -> datetime:
        """Return the time of both Stripe and the ledger."""
        return StripesClock(self.stripe).now()

    async def spend(self, credits_: int) -> None:
        """Spend credits, if there are enough."""
        await self._credits.execute((Spend(user_id=ADA, credits=credits_, key=uuid.uuid4().hex),), None)

    async def balance(self) -> int:
        """Return the balance, without what expires later."""
        account = await self.ledger.account(ADA)
        assert account is not None
        return account.balance

    async def entries(self) -> list[LedgerEntry]:
        """Return every entry, oldest first."""
        return list(reversed(await self.ledger.entries(ADA, before_version=None, limit=500)))


def by_grant(entries: list[LedgerEntry]) -> list[tuple[datetime | None, int]]:
    """Return what entries put or took, summed by the purchase and the period of the grant; without what is 0."""
    sums: dict[tuple[str | None, datetime | None], int] = {}
    for entry in entries:
        key = (entry.posting.purchase_id, period_of(entry.posting))
        sums[key] = sums.get(key, 0) + entry.posting.amount
    return sorted((period, amount) for (_, period), amount in sums.items() if amount)
