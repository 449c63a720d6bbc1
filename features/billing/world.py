"""A ledger in memory, a clock, and Stripe's payloads told to them in any order."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.stripe.envelope import delivery_of
from adapters.stripe.objects.prices import read_price
from domain.changes.changes import HoldingsQuery
from domain.decisions.operations import ExpireOverdue, Spend
from domain.decisions.spending import Decided, decide_operation
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode, Terms
from features.billing.payloads import ANNUAL, MONTHLY, PRO, START, USER, WEEKLY, Payload, StripePrice

ADA = UserId(USER)


def plan(id_: str, credits_: int, price: int, interval: str | None = "month", **how: object) -> Plan:
    """Return a plan in dollars: a subscription, or a pack where there is no interval."""
    return Plan(
        id=PlanId(id_),
        name=id_,
        terms=Terms(credits=credits_, price=Money(amount=price, currency="usd")),
        mode=PlanMode.SUBSCRIPTION if interval else PlanMode.PAYMENT,
        interval=interval,
        **how,  # type: ignore[arg-type]  # the plan's other fields, by name
    )


PLANS = (
    plan("monthly", 100, 900),
    plan("pro", 1000, 4900),
    plan("annual", 1200, 9000, "year"),
    plan("weekly", 30, 300, "week"),
    plan("pack", 50, 500, None),
)


@attrs.frozen(kw_only=True)
class StripeEvent:
    """One event of Stripe's: what happened, to which object, so many days after the start."""

    type: str
    about: Payload
    days: float
    id: str = attrs.field(factory=lambda: f"evt_{next(_NUMBERS)}")


_NUMBERS = itertools.count(1)


@attrs.define
class SetClock:
    """A clock that stands where it was set."""

    moment: datetime = START

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.moment


class World:
    """One account, and all that Stripe reports of its invoices."""

    def __init__(
        self, plans: Iterable[Plan] = PLANS, prices: Iterable[StripePrice] = (MONTHLY, PRO, ANNUAL, WEEKLY)
    ) -> None:
        self.clock = SetClock()
        self.ledger = MemoryLedger(self.clock)
        self.ledger.add_user(ADA, "ada@example.com")
        self.payments = MemoryPayments()
        for price in prices:
            self.payments.teach_price(read_price(price.payload))
        self.recorder = PaymentRecorder(
            ledger=self.ledger,
            cache=MemoryQuotaCache(),
            markers=MemorySessionMarkers(self.clock, MemoryQuotaCache()),
            payments=self.payments,
            catalogue=Catalogue({one.id: one for one in plans}),
            livemode=False,
        )

    async def deliver(self, *event: StripeEvent) -> Recorded:
        """Report events, in their order; returns what became of the last."""
        recorded = None
        for one in event:
            body = {
                "id": one.id,
                "object": "event",
                "type": one.type,
                "created": int((START + timedelta(days=one.days)).timestamp()),
                "livemode": False,
                "data": {"object": one.about},
            }
            recorded = await self.recorder.receive(delivery_of(json.dumps(body)))
        assert recorded is not None
        return recorded

    async def pay(self, invoice: Payload) -> Recorded:
        """Report that an invoice is paid, at the time at which it was."""
        return await self.deliver(paid(invoice))

    async def at(self, days: float) -> "World":
        """Let it be so many days after the start; what is over by then expires."""
        self.clock.moment = START + timedelta(days=days)
        await self._decide(ExpireOverdue(user_id=ADA))
        return self

    async def spend(self, credits_: int) -> None:
        """Spend credits."""
        await self._decide(
            Spend(user_id=ADA, credits=credits_, key=f"spend-{next(_NUMBERS)}", description=None, metadata={})
        )

    async def balance(self) -> int:
        """Return the credits on the account."""
        account = await self.ledger.account(ADA)
        assert account is not None
        return account.balance

    @property
    def grants(self) -> dict[str, tuple[int, float | None]]:
        """Return what remains of each grant, and when it ends in days after the start, by purchase and period."""
        found: dict[str, tuple[int, float | None]] = {}
        for record in self.ledger.grants.records(ADA):
            grant = record.grant
            if grant.remaining:
                period = _days(grant.period_ends_at)
                name = f"{grant.purchase_id}" + (f"@{period:g}" if period is not None else "")
                assert name not in found
                found[name] = (grant.remaining, _days(grant.expires_at))
        return found

    async def check(self) -> None:
        """Assert that the books agree with themselves."""
        assert () == await self.ledger.audit.inconsistencies()

    async def _decide(self, operation: Spend | ExpireOverdue) -> None:
        holdings = await self.ledger.holdings(HoldingsQuery(user_ids=frozenset({ADA})))
        decided = decide_operation(operation, holdings.wallets[ADA], self.clock.now())
        assert isinstance(decided, Decided), decided
        await self.ledger.commit([decided.change])


def paid(invoice: Payload) -> StripeEvent:
    """Return the event that an invoice was paid."""
    seconds = invoice["status_transitions"]["paid_at"] - START.timestamp()
    return StripeEvent(type="invoice.paid", about=invoice, days=seconds / 86_400)


async def delivered_in_every_way(
    reported: Sequence[StripeEvent], **world: object
) -> Mapping[str, dict[str, tuple[int, float | None]]]:
    """Return the grants after the events were reported forwards, backwards, twice and turned about."""
    ways = {
        "forwards": list(reported),
        "backwards": list(reversed(reported)),
        "twice": [*reported, *reported],
        "turned": [*reported[len(reported) // 2 :], *reported[: len(reported) // 2]],
        "odd first": [*reported[1::2], *reported[::2]],
    }
    found = {}
    for way, events in ways.items():
        one = World(**world)  # type: ignore[arg-type]  # the world's own parameters
        await one.deliver(*events)
        await one.deliver(*(attrs.evolve(event, id=f"{event.id}_again") for event in events))
        await one.check()
        found[way] = one.grants
    return found


def _days(moment: datetime | None) -> float | None:
    return round((moment - START) / timedelta(days=1), 4) if moment is not None else None
