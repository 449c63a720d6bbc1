"""One contract for every ledger about a subscription's invoices: the same grants with the same ends, in any order."""

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.payments import MemoryPayments
from adapters.stripe.envelope import delivery_of
from adapters.stripe.objects.prices import read_price
from adapters.system.clock import SystemClock
from domain.changes.changes import HoldingsQuery
from domain.changes.inbox import EventStatus
from domain.usecases.record_payment import PaymentRecorder
from domain.values.accounts import UserId
from domain.values.plans import Catalogue
from features.billing.payloads import (
    ANNUAL,
    MONTHLY,
    PRO,
    START,
    USER,
    Payload,
    StripePrice,
    ended,
    in_new_shape,
    invoice,
    line,
)
from features.billing.reversals import credit_note, dispute, refund
from features.billing.world import PLANS, StripeEvent, paid

Grants = list[tuple[float, int, float]]
"""Of each grant the end of its period, what remains, and when that expires; in days after the start."""


@attrs.frozen
class Account:
    """An account of a ledger, and Stripe's events about it; every id of Stripe's is made its own."""

    world: Any
    user: UserId
    recorder: PaymentRecorder
    mark: str

    @classmethod
    async def opened(cls, world: Any) -> "Account":
        payments = MemoryPayments()
        for price in (MONTHLY, PRO, ANNUAL):
            payments.teach_price(read_price(price.payload))
        recorder = PaymentRecorder(
            ledger=world.ledger,
            cache=MemoryQuotaCache(),
            markers=MemorySessionMarkers(SystemClock(), MemoryQuotaCache()),
            payments=payments,
            catalogue=Catalogue({plan.id: plan for plan in PLANS}),
            livemode=False,
        )
        return cls(world, await world.sign_up(None), recorder, uuid.uuid4().hex[:12])

    async def deliver(self, events: Sequence[StripeEvent]) -> list[EventStatus]:
        """Report events in their order."""
        found = []
        for one in events:
            text = json.dumps(
                {
                    "id": f"{one.id}_{uuid.uuid4().hex}",
                    "object": "event",
                    "type": one.type,
                    "created": int((START + timedelta(days=one.days)).timestamp()),
                    "livemode": False,
                    "data": {"object": one.about},
                }
            )
            for kind in ("in", "pi", "ch", "sub", "re", "cn", "dp"):
                text = text.replace(f'"{kind}_', f'"{kind}_{self.mark}_')
            text = text.replace(f'"pi_{self.mark}_in_', f'"pi_{self.mark}_').replace(USER, self.user)
            found.append((await self.recorder.receive(delivery_of(text))).status)
        return found

    async def grants(self) -> Grants:
        """What remains of each grant, in the order of their periods' ends."""
        holdings = await self.world.ledger.holdings(HoldingsQuery(user_ids=frozenset({self.user})))
        grants = holdings.wallets[self.user].grants
        return sorted((_days(grant.period_ends_at), grant.remaining, _days(grant.expires_at)) for grant in grants)


def _days(moment: datetime | None) -> float:
    return round(((moment or START) - START) / timedelta(days=1), 3)


def subscribed(shape: Callable[[Payload], Payload]) -> list[StripeEvent]:
    """Monthly, upgraded at half time, charged; renewed, an hour late, in two months' seats; the rest given back."""
    return [
        paid(shape(invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create"))),
        paid(
            shape(
                invoice(
                    "in_2",
                    line("il_2", -450, MONTHLY, days=(15, 30), proration=True),
                    line("il_3", 2450, PRO, days=(15, 30), proration=True),
                    paid=15,
                    reason="subscription_update",
                )
            )
        ),
        paid(shape(invoice("in_3", line("il_4", 4900, PRO, days=(30, 60)), paid=30.05))),
        StripeEvent(type="credit_note.created", about=credit_note("cn_1", "in_3", after=490), days=31),
        StripeEvent(type="refund.created", about=refund("re_1", 980, "in_3"), days=32),
        paid(
            shape(
                invoice(
                    "in_4",
                    line("il_5", -2450, PRO, days=(45, 60), proration=True),
                    line("il_6", 9000, ANNUAL, days=(45, 410)),
                    paid=45,
                    reason="subscription_update",
                )
            )
        ),
        StripeEvent(
            type="charge.dispute.funds_reinstated",
            about=dispute("dp_1", 9000, "in_4", status="won", moves={"txn_1": (-9000, "usd"), "txn_2": (4500, "usd")}),
            days=50,
        ),
        StripeEvent(type="customer.subscription.deleted", about=ended(410), days=60),
    ]


EXPECTED: Grants = [(30, 50, 30.05), (30, 500, 30.05), (60, 500, 60), (410, 600, 410)]


@pytest.mark.parametrize("shape", [lambda old: old, in_new_shape], ids=["old", "new"])
@pytest.mark.parametrize("way", ["forwards", "backwards", "turned"])
async def test_the_same_story_ends_in_the_same_grants(
    open_world: Any, way: str, shape: Callable[[Payload], Payload]
) -> None:
    """Half of what changed hands is given back, the larger of unused time and refunds counts, ends follow payments."""
    report = subscribed(shape)
    orders = {"forwards": report, "backwards": report[::-1], "turned": [*report[4:], *report[:4]]}
    async with open_world() as world:
        account = await Account.opened(world)
        await account.deliver(orders[way])
        # What was parked because nothing of the subscription was known is decided again; the rest is reported twice.
        statuses = await account.deliver(report)
        assert EventStatus.PARKED not in statuses
        assert EXPECTED == await account.grants()
        assert [EventStatus.NOTHING_NEW] * len(report) == await account.deliver(report)


async def test_invoices_that_are_reported_at_once_are_decided_one_after_the_other(open_world: Any) -> None:
    """A line and its unused time, told at the same moment, know of each other, whichever is first."""
    report = subscribed(lambda old: old)[:4]
    async with open_world() as world:
        account = await Account.opened(world)
        await asyncio.gather(*(account.deliver([one]) for one in report * 2))
        assert [(30, 50, 30.05), (30, 500, 30.05), (60, 900, 63)] == await account.grants()


async def test_of_two_catalogues_the_one_that_commits_first_values_an_invoice(open_world: Any) -> None:
    """Two processes are told of one invoice at once: its line has the terms of one of them, for good."""
    generous = [attrs.evolve(one, terms=attrs.evolve(one.terms, credits=one.terms.credits * 2)) for one in PLANS]
    report = subscribed(lambda old: old)[0]
    async with open_world() as world:
        account = await Account.opened(world)
        catalogue = Catalogue({plan.id: plan for plan in generous})
        other = attrs.evolve(account, recorder=attrs.evolve(account.recorder, catalogue=catalogue))
        await asyncio.gather(
            account.deliver([report]), other.deliver([report]), account.deliver([report]), other.deliver([report])
        )
        first = await account.grants()
        assert first in ([(30, 100, 33)], [(30, 200, 33)])
        again = [*await account.deliver([report]), *await other.deliver([report])]
        assert [EventStatus.NOTHING_NEW] * 2 == again
        assert first == await account.grants()


async def test_a_price_that_we_made_is_kept(open_world: Any) -> None:
    """Sold by a checkout of ours at 70 credits, it brings 70 in a subscription of which nothing else is known."""
    odd = StripePrice(id=f"price_{uuid.uuid4().hex}", amount=700)
    agreed = {"userId": USER, "plan": "monthly", "credence_terms": "70/700/usd"}
    ours = invoice("in_1", line("il_1", 700, odd, days=(0, 30)), paid=0, metadata=agreed)
    by_hand = invoice("in_2", line("il_2", 700, odd, days=(1, 31)), paid=1, subscription="sub_2")
    async with open_world() as world:
        account = await Account.opened(world)
        await account.deliver([paid(in_new_shape(ours)), paid(in_new_shape(by_hand))])
        assert [(30, 70, 33), (31, 70, 34)] == await account.grants()
        assert () == await world.audit.inconsistencies()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (2, 0, 3, 1)])
async def test_what_a_dispute_took_of_other_grants_returns_to_them(open_world: Any, order: Sequence[int]) -> None:
    """Of an annual plan that was changed on day 3 all is disputed: it takes the monthly period's credits, and more."""
    found = [
        paid(invoice("in_1", line("il_1", 9000, ANNUAL, days=(0, 365)), paid=0, reason="subscription_create")),
        paid(
            invoice(
                "in_2",
                line("il_2", -8926, ANNUAL, days=(3, 365), proration=True, gives_back=("in_1", "il_1")),
                line("il_3", 900, MONTHLY, days=(3, 34)),
                paid=3,
            )
        ),
        StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 9000, "in_1"), days=5),
        StripeEvent(
            type="charge.dispute.funds_reinstated",
            about=dispute("dp_1", 9000, "in_1", status="won", moves={"txn_1": (-9000, "usd"), "txn_2": (9000, "usd")}),
            days=9,
        ),
    ]
    async with open_world() as world:
        account = await Account.opened(world)
        await account.deliver([found[place] for place in order])
        await account.deliver(found)
        assert [(34, 100, 37), (365, 9, 368)] == await account.grants()
        assert () == await world.audit.inconsistencies()
