"""One contract for rollover with a cap on every ledger: what is recorded with the line decides when its period ends."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.payments import MemoryPayments
from adapters.stripe.envelope import delivery_of
from adapters.stripe.objects.prices import read_price
from adapters.system.clock import SystemClock
from domain.credits.holds import HoldId
from domain.decisions.operations import ExpireOverdue, PlaceHold, Spend, VoidHold
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.use_credits import CreditService
from domain.values.plans import Catalogue
from features.billing.payloads import MONTHLY, START, Payload, invoice, line
from features.billing.world import plan

CAPPED = plan("monthly", 100, 900, rollover=True, rollover_cap=50)
UNCAPPED = plan("monthly", 100, 900, rollover=True)


class Subscriber:
    """An account whose monthly periods begin so many days before or after the present moment."""

    def __init__(self, world: Any, user_id: str) -> None:
        self.world, self.user_id, self.tag = world, user_id, uuid.uuid4().hex[:12]
        self.now = datetime.now(UTC)
        self.service = CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache())

    async def pay(self, begins: float, sold: Any = CAPPED) -> None:
        """Report that the period of 30 days is paid that began then."""
        payments = MemoryPayments()
        payments.teach_price(read_price(MONTHLY.payload))
        recorder = PaymentRecorder(
            ledger=self.world.ledger,
            cache=MemoryQuotaCache(),
            markers=MemorySessionMarkers(SystemClock(), MemoryQuotaCache()),
            payments=payments,
            catalogue=Catalogue({sold.id: sold}),
            livemode=False,
        )
        body = {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": "invoice.paid",
            "created": int(self.now.timestamp()),
            "livemode": False,
            "data": {"object": self.invoice(begins)},
        }
        await recorder.receive(delivery_of(json.dumps(body)))

    def invoice(self, begins: float) -> Payload:
        today = (self.now - START) / timedelta(days=1)
        id_, subscription = f"{self.tag}_{begins:g}", f"sub_{self.tag}"
        days = (today + begins, today + begins + 30)
        own = line(f"il_{id_}", 900, MONTHLY, days=days, item=f"si_{self.tag}", subscription=subscription)
        known = {"userId": self.user_id}
        return invoice(f"in_{id_}", own, paid=today + begins, metadata=known, subscription=subscription)

    async def settle(self) -> None:
        """Let what is over expire."""
        await self.service.execute([ExpireOverdue(user_id=self.user_id)], self.now)

    async def spend(self, credits_: int) -> None:
        """Spend credits."""
        spend = Spend(user_id=self.user_id, credits=credits_, key=f"{self.tag}:{uuid.uuid4().hex}")
        await self.service.execute([spend], self.now)

    async def is_due(self) -> bool:
        """Return whether the ledger says that something of the account is over."""
        return self.user_id in await self.world.ledger.accounts_with_overdue(1000)

    async def check(self) -> dict[float, int]:
        """Return what remains by days until the period's end, after asserting that the books agree with themselves."""
        assert [] == [one for one in await self.world.audit.inconsistencies() if one.user_id == self.user_id]
        record = await self.world.audit.record_of(self.user_id)
        return {
            round((known.grant.period_ends_at - self.now) / timedelta(days=1)): known.grant.remaining
            for known in record.grants
            if known.grant.remaining
        }


async def test_at_most_the_cap_stays_in_all(open_world: Any) -> None:
    """And it is due as long as there is something to expire, and no longer."""
    async with open_world() as world:
        ada = Subscriber(world, await world.sign_up(None))
        await ada.pay(-80)
        assert await ada.is_due()
        await ada.settle()
        assert not await ada.is_due()
        assert {-50: 50} == await ada.check()
        await ada.pay(-50)
        await ada.pay(-20)
        assert await ada.is_due()
        await ada.settle()
        assert not await ada.is_due()
        assert {-50: 50, 10: 100} == await ada.check()
        await ada.spend(20)
        assert {-50: 30, 10: 100} == await ada.check()


@pytest.mark.parametrize("order", [(-110, -80, -50), (-50, -80, -110), (-80, -50, -110)])
@pytest.mark.parametrize("often", [True, False])
async def test_the_order_of_reporting_does_not_show(open_world: Any, order: tuple[int, ...], often: bool) -> None:
    """Whether or not something expired in between."""
    async with open_world() as world:
        ada = Subscriber(world, await world.sign_up(None))
        for begins in order:
            await ada.pay(begins)
            if often:
                await ada.settle()
        await ada.settle()
        assert {-80: 50} == await ada.check()


async def test_the_cap_is_that_of_the_day_of_sale(open_world: Any) -> None:
    """A catalogue that says otherwise later does not change what was sold."""
    async with open_world() as world:
        ada = Subscriber(world, await world.sign_up(None))
        await ada.pay(-80)
        await ada.pay(-80, UNCAPPED)
        await ada.pay(-50, UNCAPPED)
        await ada.settle()
        assert {-50: 50, -20: 100} == await ada.check()


async def test_held_credits_are_decided_when_they_are_free(open_world: Any) -> None:
    """Until then they neither expire nor fill the cap."""
    async with open_world() as world:
        ada, hold = Subscriber(world, await world.sign_up(None)), HoldId(str(uuid.uuid4()))
        await ada.pay(-35)
        over, ada.now = ada.now, ada.now - timedelta(days=10)
        place = PlaceHold(
            hold_id=hold, user_id=ada.user_id, credits=80, key=f"{ada.tag} hold", lasts=timedelta(days=60)
        )
        await ada.service.execute([place], ada.now)
        ada.now = over
        await ada.settle()
        assert not await ada.is_due()
        assert {-5: 100} == await ada.check()
        await ada.service.execute([VoidHold(hold_id=hold)], ada.now)
        assert {-5: 50} == await ada.check()
