"""Laws of spending, on the real use cases over the ledger in memory: nothing is spent twice, no credit is lost."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory_cache import MemoryQuotaCache
from adapters.memory_ledger import MemoryLedger
from domain.accounts import UserId
from domain.batches import Done, Unsettled
from domain.commits import Change, Committed, PurchaseRevision
from domain.explanations import explain
from domain.holds import HoldId
from domain.intents import (
    AdjustCredits,
    CaptureHold,
    GiveCredits,
    Intent,
    PlaceHold,
    SettleDues,
    Spend,
    VoidHold,
)
from domain.ledger import EntryKind, LedgerEntry, Posted, postings_due
from domain.plans import PlanId
from domain.purchases import Order, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.usecases.use_credits import CreditDesk

ADA = UserId("00000000-0000-0000-0000-00000000000a")
START = datetime(2026, 5, 1, tzinfo=UTC)
HOLDS = tuple(HoldId(str(uuid.UUID(int=number))) for number in range(3))
PURCHASES = tuple(PurchaseId(f"pi_{number}") for number in range(3))


class SteppedClock:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


@attrs.frozen
class Wait:
    """Time goes by."""

    hours: int


@attrs.frozen
class Sell:
    """One of the purchases is paid; its credits may expire."""

    number: int
    credits: int
    lasts: int | None


@attrs.frozen
class GiveBack:
    """So much of a purchase's price of 100 is refunded in all; less than before, if a refund failed."""

    number: int
    percent: int


amounts = st.sampled_from([10, 30, 60, 100])
keys = st.sampled_from(["a", "b", "c", "d"])
acts = st.one_of(
    st.builds(Wait, hours=st.sampled_from([6, 20])),
    st.builds(Sell, st.integers(0, 2), amounts, st.sampled_from([None, 10])),
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
                GiveCredits,
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
            st.just(SettleDues(user_id=ADA)),
        ),
        min_size=1,
        max_size=5,
    ),
)


class World:
    """One account, and all that may happen to it."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.ledger = MemoryLedger(self.clock)
        self.ledger.add_user(ADA)
        self.desk = CreditDesk(ledger=self.ledger, wallets=self.ledger, cache=MemoryQuotaCache())
        self.sold: dict[int, tuple[Order, int]] = {}
        self.first: dict[object, Done] = {}

    async def live(self, act: object) -> None:
        match act:
            case Wait(hours):
                self.clock.time += timedelta(hours=hours)
            case Sell(number, credits, lasts) if number not in self.sold:
                ends = self.clock.time + timedelta(hours=lasts) if lasts else None
                order = Order(
                    user_id=ADA, plan_id=PlanId("p"), credits=credits, amount=100, currency="usd", expires_at=ends
                )
                self.sold[number] = order, 0
                await self._learn(number)
            case GiveBack(number, percent) if number in self.sold:
                self.sold[number] = self.sold[number][0], percent
                await self._learn(number)
            case list():
                await self._ask(act)

    async def _learn(self, number: int) -> None:
        order, refunded = self.sold[number]
        found = await self.ledger.read(
            event_id=None, user_id=None, links=frozenset({f"payment_intent:{PURCHASES[number]}"})
        )
        known = found.purchases[0] if found.purchases else None
        refund = Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED)
        purchase = Purchase(
            order=order,
            payment=PaymentStatus.PAID,
            refunds=(refund,) if refunded else (),
            links=frozenset({f"payment_intent:{PURCHASES[number]}"}),
        )
        revision = known.revision if known else 0
        due = postings_due(
            PURCHASES[number],
            purchase,
            known.posted if known else Posted(),
            revision=revision + 1,
        )
        change = Change(
            revision=PurchaseRevision(id=PURCHASES[number], expected_revision=revision, purchase=purchase),
            postings=due,
        )
        (result,) = await self.ledger.commit([change])
        assert isinstance(result, Committed)

    async def _ask(self, intents: list[Intent]) -> None:
        before = {entry.posting.idempotency_key for entry in await self.entries()}
        outcomes = await self.desk.settle(intents, self.clock.time)
        for intent, outcome in zip(intents, outcomes, strict=True):
            assert not isinstance(outcome, Unsettled), "what is decided is never refused by the ledger's guards"
            if not isinstance(outcome, Done) or isinstance(intent, SettleDues):
                continue
            known = self.first.setdefault(_name(intent, outcome), outcome)
            assert known.answer == outcome.answer, "a repetition gets the first answer"
        assert len(before) <= len({entry.posting.idempotency_key for entry in await self.entries()})

    async def entries(self) -> list[LedgerEntry]:
        return list(reversed(await self.ledger.entries(ADA, before_version=None, limit=10_000)))

    async def check(self) -> None:
        account = await self.ledger.account(ADA)
        entries = await self.entries()
        assert () == await self.ledger.inconsistencies()
        record = await self.ledger.record_of(ADA)
        explained = explain(record)
        grants, holds = tuple(known.grant for known in record.grants), record.holds
        draws = [(known.grant.id, draw) for known in record.grants for draw in known.draws]
        for told in explained.grants:
            assert told.grant.credits == told.grant.remaining + told.drawn, "a person can add it up"
            assert told.grant.credits == sum(entry.posting.amount for entry in told.puts)
            assert all(draw.entry is not None for draw in told.draws)
        assert account.balance == sum(entry.posting.amount for entry in entries)
        assert [*range(1, len(entries) + 1)] == [entry.version for entry in entries]
        assert len(entries) == len({entry.posting.idempotency_key for entry in entries})
        assert max(account.balance, 0) == sum(grant.remaining for grant in grants)
        assert account.held == sum(hold.credits for hold in holds if hold.is_open)
        for grant in grants:
            drawn = sum(draw.credits for grant_id, draw in draws if grant_id == grant.id)
            assert grant.credits == grant.remaining + drawn
            assert grant.held == sum(
                draw.credits for hold in holds if hold.is_open for draw in hold.draws if draw.grant_id == grant.id
            )
        for hold in holds:
            assert hold.credits == sum(draw.credits for draw in hold.draws)
            assert 0 <= hold.captured <= hold.credits
        for entry in entries:
            posting = entry.posting
            if posting.kind in {EntryKind.SPEND, EntryKind.EXPIRY}:
                assert entry.balance_after >= 0
            if posting.kind is EntryKind.SPEND:
                assert -posting.amount == sum(draw.credits for _, draw in draws if draw.version == entry.version)


def _name(intent: Intent, outcome: Done) -> object:
    if isinstance(intent, CaptureHold | VoidHold):
        return "settled", intent.hold_id
    return type(intent), intent.key


@settings(max_examples=500, deadline=None)
@given(st.lists(acts, max_size=25))
def test_the_books_balance_whatever_happens(story: list) -> None:
    """Entries sum to the balance, grants remain what entries left, holds hold what they say: after each step."""

    async def run() -> None:
        world = World()
        for act in story:
            await world.live(act)
            await world.check()

    asyncio.run(run())
