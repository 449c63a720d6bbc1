"""Stories of one account's credits, at random: sold, refunded, given, spent, held and expired, on any ledger."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.changes import Change, Committed, PurchaseRevision, SnapshotQuery
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind, LedgerEntry
from domain.credits.postings import postings_due
from domain.decisions.batches import Done, NotCommitted, Outcome
from domain.decisions.operations import (
    AdjustCredits,
    CaptureHold,
    CreditOperation,
    ExpireOverdue,
    GrantCredits,
    HoldAnswer,
    PlaceHold,
    Spend,
    VoidHold,
)
from domain.decisions.spending import HoldAlreadySettled
from domain.payments.entitlements import grants_due
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from domain.values.plans import PlanId

ADA = UserId("00000000-0000-0000-0000-00000000000a")
START = datetime(2026, 5, 1, tzinfo=UTC)
HOLDS = tuple(HoldId(str(uuid.UUID(int=number))) for number in range(3))


@attrs.frozen
class Wait:
    """Time goes by; or back, where the next process that is asked has a slower clock."""

    hours: int


@attrs.frozen
class Sell:
    """One of the purchases is paid; its credits may expire, or roll over then, so many at most."""

    number: int
    credits: int
    lasts: int | None
    cap: int | None = None


@attrs.frozen
class GiveBack:
    """So much of a purchase's price of 100 is refunded in all; less than before, if a refund failed."""

    number: int
    percent: int


amounts = st.sampled_from([10, 30, 60, 100])
keys = st.sampled_from(["a", "b", "c", "d"])
acts: st.SearchStrategy[Any] = st.one_of(
    st.builds(Wait, hours=st.sampled_from([6, 20, -4])),
    st.builds(Sell, st.integers(0, 2), amounts, st.sampled_from([None, 10])),
    st.builds(Sell, st.integers(0, 2), amounts, st.sampled_from([5, 10]), st.sampled_from([20, 50])),
    st.builds(GiveBack, st.integers(0, 2), st.sampled_from([0, 50, 100])),
    st.lists(
        st.one_of(
            st.builds(Spend, user_id=st.just(ADA), credits=amounts, key=keys),
            st.sampled_from(HOLDS).flatmap(
                lambda hold_id: st.builds(
                    PlaceHold,
                    hold_id=st.just(hold_id),
                    user_id=st.just(ADA),
                    credits=amounts,
                    key=st.just(f"key of {hold_id}"),
                    lasts=st.sampled_from([timedelta(hours=5), timedelta(hours=50)]),
                )
            ),
            st.builds(CaptureHold, hold_id=st.sampled_from(HOLDS), credits=st.sampled_from([None, 0, 10, 30])),
            st.builds(VoidHold, hold_id=st.sampled_from(HOLDS)),
            st.builds(
                GrantCredits,
                user_id=st.just(ADA),
                credits=amounts,
                kind=st.sampled_from([EntryKind.PROMOTION, EntryKind.GOODWILL]),
                key=st.sampled_from(["g1", "g2"]),
                reason=st.just("thanks"),
                operator=st.just("Grace"),
                expires_at=st.sampled_from([None, START + timedelta(hours=10)]),
            ),
            st.builds(
                AdjustCredits,
                user_id=st.just(ADA),
                credits=st.sampled_from([-60, -10, 40]),
                key=st.sampled_from(["j1", "j2"]),
                reason=st.just("recount"),
                operator=st.just("Grace"),
            ),
            st.just(ExpireOverdue(user_id=ADA)),
        ),
        min_size=1,
        max_size=5,
    ),
)


class Life:
    """The life of one user of a ledger; the tag tells the user's keys and holds from others'."""

    def __init__(self, ledger: Any, user_id: UserId, tag: str = "") -> None:
        self.ledger = ledger
        self.user_id = user_id
        self.tag = tag
        self.time = START
        self.service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        self.sold: dict[int, tuple[Order, int]] = {}
        self.caps: dict[int, int | None] = {}
        self.first: dict[object, Done] = {}
        self.settled: dict[HoldId, HoldAlreadySettled] = {}
        self.outcomes: list[Outcome] = []

    async def live(self, act: object) -> None:
        match act:
            case Wait(hours):
                self.time += timedelta(hours=hours)
            case Sell(number, credits, lasts, cap) if number not in self.sold:
                ends = self.time + timedelta(hours=lasts) if lasts else None
                order = Order(
                    user_id=self.user_id,
                    plan_id=PlanId("p"),
                    credits=credits,
                    amount=100,
                    currency="usd",
                    expires_at=ends,
                )
                self.sold[number] = order, 0
                self.caps[number] = cap
                await self._learn(number)
            case GiveBack(number, percent) if number in self.sold:
                self.sold[number] = self.sold[number][0], percent
                await self._learn(number)
            case list():
                await self._ask(act)

    async def _learn(self, number: int) -> None:
        order, refunded = self.sold[number]
        payment = PurchaseId(f"pi_{self.tag}{number}")
        links = frozenset({Link(f"payment_intent:{payment}")})
        found = await self.ledger.read(SnapshotQuery(links=links))
        known = found.purchases[0] if found.purchases else None
        refund = Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED)
        purchase = Purchase(
            order=order,
            payment=PaymentStatus.PAID,
            refunds=(refund,) if refunded else (),
            links=links,
        )
        revision, dues = known.revision if known else 0, grants_due(purchase)
        if self.caps[number] is not None:
            # What rolls over is of a period.
            cap, period = self.caps[number], START + timedelta(days=number)
            dues = tuple(attrs.evolve(one, period_ends_at=period, rollover_cap=cap) for one in dues)
        due = postings_due(
            payment,
            purchase,
            known.posted if known else {},
            revision=revision + 1,
            dues=dues,
        )
        change = Change(
            revision=PurchaseRevision(id=payment, expected_revision=revision, purchase=purchase),
            postings=due,
        )
        (result,) = await self.ledger.commit([change])
        assert isinstance(result, Committed)

    async def _ask(self, operations: list[CreditOperation]) -> None:
        own = [self._own(operation) for operation in operations]
        outcomes = await self.service.execute(own, self.time)
        self.outcomes += outcomes
        for operation, outcome in zip(own, outcomes, strict=True):
            assert not isinstance(outcome, NotCommitted), "what is decided is never refused by the ledger's guards"
            if isinstance(operation, CaptureHold | VoidHold):
                self._is_settled_once(operation.hold_id, outcome)
            if not isinstance(outcome, Done) or isinstance(operation, ExpireOverdue):
                continue
            known = self.first.setdefault(_name(operation), outcome)
            assert known.answer == outcome.answer, "a repetition gets the first answer"

    def _is_settled_once(self, hold_id: HoldId, outcome: Outcome) -> None:
        match outcome:
            case HoldAlreadySettled():
                known = self.settled.setdefault(hold_id, outcome)
                assert known == outcome, "what became of a hold is reported once and for all"
            case Done(answer=HoldAnswer(status=status, captured=captured)) if hold_id in self.settled:
                given = self.settled[hold_id]
                assert (given.status, given.captured) == (status, captured), "what was settled is not settled again"

    def _own(self, operation: CreditOperation) -> CreditOperation:
        changes: dict[str, Any] = {}
        if isinstance(operation, CaptureHold | VoidHold | PlaceHold):
            changes["hold_id"] = HoldId(str(uuid.uuid5(uuid.UUID(operation.hold_id), self.tag)))
        if not isinstance(operation, CaptureHold | VoidHold):
            changes["user_id"] = self.user_id
        if not isinstance(operation, CaptureHold | VoidHold | ExpireOverdue):
            changes["key"] = f"{self.tag}{operation.key}"
        return attrs.evolve(operation, **changes)

    async def entries(self) -> list[LedgerEntry]:
        return list(reversed(await self.ledger.entries(self.user_id, before_version=None, limit=10_000)))


def _name(operation: CreditOperation) -> object:
    if isinstance(operation, CaptureHold | VoidHold):
        return "settled", operation.hold_id
    return type(operation), operation.key
