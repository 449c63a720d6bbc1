"""What every ledger says of credits: which grants they were of, and when they run low."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.changes import Change, Committed, PurchaseRevision, RecordedPurchase, SnapshotQuery
from domain.changes.outbox import Message
from domain.credits.explanation import AccountExplanation, explain
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.credits.postings import postings_due
from domain.decisions.batches import Done
from domain.decisions.low_balance import LOW_BALANCE, low_balance_notice
from domain.decisions.operations import (
    AdjustCredits,
    CaptureHold,
    CreditOperation,
    GrantCredits,
    PlaceHold,
    Spend,
    VoidHold,
)
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.usecases.read_account import UnknownUser
from domain.usecases.thresholds import LowBalanceThresholds, Watch
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from domain.values.plans import PlanId


@attrs.define
class Story:
    """One user of a ledger, who buys, is given and spends."""

    world: Any
    user_id: UserId
    threshold: int | None = None
    purchase_id: PurchaseId = attrs.field(factory=lambda: PurchaseId(f"pi_{uuid.uuid4().hex}"))

    def key(self, name: str) -> str:
        return f"{name} of {self.user_id}"

    async def ask(self, *operations: CreditOperation) -> None:
        service = CreditService(
            ledger=self.world.ledger,
            wallets=self.world.ledger,
            cache=MemoryQuotaCache(),
            notify_below=self.threshold,
        )
        for outcome in await service.execute(operations, datetime.now(UTC)):
            assert isinstance(outcome, Done), outcome

    async def give(self, credits: int, name: str, kind: EntryKind = EntryKind.PROMOTION) -> None:  # noqa: A002 - the word for it
        await self.ask(
            GrantCredits(
                user_id=self.user_id,
                credits=credits,
                kind=kind,
                key=self.key(name),
                reason=f"because of {name}",
                operator="Grace",
            )
        )

    async def spend(self, credits: int, name: str) -> None:  # noqa: A002 - the word for it
        await self.ask(Spend(user_id=self.user_id, credits=credits, key=self.key(name), description=name))

    async def buy(self, refunded: int = 0, expires_at: datetime | None = None) -> None:
        """Buy 50 credits for $5.00, of which so much is refunded."""
        link = Link(f"payment_intent:{self.purchase_id}")
        found = await self.world.ledger.read(SnapshotQuery(links=frozenset({link})))
        known = (*found.purchases, RecordedPurchase(id=self.purchase_id, revision=0, purchase=Purchase()))[0]
        refund = Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED)
        order = Order(
            user_id=self.user_id,
            plan_id=PlanId("starter"),
            credits=50,
            amount=500,
            currency="usd",
            expires_at=expires_at,
        )
        purchase = Purchase(
            order=order,
            payment=PaymentStatus.PAID,
            refunds=(refund,) if refunded else (),
            links=frozenset({link}),
        )
        change = Change(
            revision=PurchaseRevision(id=known.id, expected_revision=known.revision, purchase=purchase),
            postings=postings_due(known.id, purchase, known.posted, revision=known.revision + 1),
            notify_below=self.threshold,
        )
        (result,) = await self.world.ledger.commit([change])
        assert isinstance(result, Committed), result

    async def explained(self) -> AccountExplanation:
        record = await self.world.audit.record_of(self.user_id)
        assert record is not None
        return explain(record)

    async def warnings(self) -> list[Message]:
        claimed = await self.world.outbox.claim(LOW_BALANCE, 1000, lease_seconds=600)
        return [one for one in claimed if one.payload["user_id"] == self.user_id]


@contextlib.asynccontextmanager
async def play(open_world: Any) -> AsyncIterator[Story]:
    async with open_world() as world:
        user_id = await world.sign_up(f"{uuid.uuid4().hex}@example.com")
        yield Story(world, user_id)
        assert user_id not in {found.user_id for found in await world.audit.inconsistencies()}


async def test_every_credit_s_life_is_reported(open_world: Any) -> None:
    """What was given, bought, spent, held, captured and taken back: each grant adds up, and says why it is there."""
    async with play(open_world) as story:
        hold_id, other = (HoldId(str(uuid.uuid4())) for _ in range(2))
        await story.buy(expires_at=datetime.now(UTC) + timedelta(days=30))
        await story.give(20, "launch")
        await story.spend(25, "a poem")
        for name, hold in (("h1", hold_id), ("h2", other)):
            await story.ask(
                PlaceHold(
                    hold_id=hold,
                    user_id=story.user_id,
                    credits=10,
                    key=story.key(name),
                    lasts=timedelta(hours=1),
                    description=name,
                )
            )
        await story.ask(CaptureHold(hold_id=hold_id, credits=4), VoidHold(hold_id=other))
        await story.buy(refunded=500)
        await story.give(15, "sorry", EntryKind.GOODWILL)
        await story.ask(
            AdjustCredits(user_id=story.user_id, credits=3, key=story.key("a"), reason="recount", operator="Joan")
        )
        explained = await story.explained()
        bought, launch, sorry, recount = explained.grants
        assert ("starter", story.purchase_id, None, None) == (
            bought.plan_id,
            bought.grant.purchase_id,
            bought.reason,
            bought.operator,
        )
        whys = [(one.grant.kind, one.reason, one.operator) for one in (launch, sorry, recount)]
        assert [
            ("promotion", "because of launch", "Grace"),
            ("goodwill", "because of sorry", "Grace"),
            ("adjustment", "recount", "Joan"),
        ] == whys
        draws = [
            [(draw.credits, draw.entry.posting.kind, draw.pays_debt) for draw in one.draws if draw.entry]
            for one in explained.grants
        ]
        # 50 refunded, 41 were there: the other 9 are owed until goodwill pays them.
        assert [
            [(5, "spend", False), (4, "capture", False), (41, "clawback", False)],
            [(20, "spend", False)],
            [(9, "goodwill", True)],
            [],
        ] == draws
        for one in explained.grants:
            assert one.grant.credits == one.grant.remaining + one.drawn
            assert one.grant.credits == sum(entry.posting.amount for entry in one.puts)
        assert [50, 20, 15, 3] == [one.grant.credits for one in explained.grants]
        assert [0, 0, 6, 3] == [one.grant.remaining for one in explained.grants]
        assert [("captured", 4), ("voided", 0)] == [(hold.status, hold.captured) for hold in explained.holds]
        assert [bought.grant.id] * 2 == [draw.grant_id for hold in explained.holds for draw in hold.draws]


async def test_falling_below_the_threshold_is_reported_once(open_world: Any) -> None:
    """By spends, holds and refunds; what hovers below it is reported no more until it has been above."""
    async with play(open_world) as story:
        story.threshold = 20
        await story.buy()
        await story.spend(30, "at it")
        assert [] == await story.warnings()
        await story.spend(5, "below")
        (first,) = await story.warnings()
        assert {"user_id": story.user_id, "balance": 15, "held": 0, "available": 15, "threshold": 20} == dict(
            low_balance_notice(first).content
        )
        assert f"low_balance:{story.user_id}:" == first.key[: first.key.rindex(":") + 1]
        await story.spend(5, "lower")
        await story.give(9, "nearly")
        await story.spend(5, "hovering")
        assert [] == await story.warnings()
        await story.give(50, "above")
        hold_id = HoldId(str(uuid.uuid4()))
        await story.ask(
            PlaceHold(hold_id=hold_id, user_id=story.user_id, credits=45, key=story.key("h"), lasts=timedelta(hours=1))
        )
        (held,) = await story.warnings()
        assert ("64", "45", "19") == tuple(held.payload[name] for name in ("balance", "held", "available"))
        await story.ask(VoidHold(hold_id=hold_id))
        assert [] == await story.warnings()
        await story.buy(refunded=500)
        (refund,) = await story.warnings()
        assert ("14", "0") == tuple(refund.payload[name] for name in ("balance", "held"))
        assert 3 == len({first.key, held.key, refund.key})


async def test_an_account_may_have_a_threshold_of_its_own(open_world: Any) -> None:
    """It goes before the default, which is back when it is taken away; setting it is no fall."""
    async with play(open_world) as story:
        watch = LowBalanceThresholds(thresholds=story.world.ledger, default=20)
        story.threshold = 20
        await story.buy()
        before = await story.world.ledger.account(story.user_id)
        assert Watch(user_id=story.user_id, own=10, in_force=10) == await watch.set_threshold(story.user_id, 10)
        assert attrs.evolve(before, notify_below=10) == await story.world.ledger.account(story.user_id)
        await story.spend(35, "below the default")
        assert [] == await story.warnings()
        await story.spend(6, "below its own")
        (warning,) = await story.warnings()
        assert "10" == warning.payload["threshold"]
        assert Watch(user_id=story.user_id, own=None, in_force=20) == await watch.set_threshold(story.user_id, None)
        assert Watch(user_id=story.user_id, own=0, in_force=0) == await watch.set_threshold(story.user_id, 0)
        await story.spend(9, "all of it")
        assert [] == await story.warnings()
        with pytest.raises(UnknownUser):
            await watch.set_threshold(UserId(str(uuid.uuid4())), 10)
