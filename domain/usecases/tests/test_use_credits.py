"""Spends, holds and what operators give, over the ledger in memory: done once, and answered the same for ever."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.ledger import MemoryLedger
from domain.changes.changes import Change, CommitResult, Conflict, IdempotencyRecord
from domain.credits.grants import GOODWILL_PRIORITY, PROMOTION_PRIORITY
from domain.credits.holds import HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.credits.wallets import Insufficient
from domain.decisions.batches import Done, IdempotencyKeyReused, NoSuchHold, NoSuchUser, NotCommitted, Outcome
from domain.decisions.operations import (
    AdjustCredits,
    CaptureHold,
    CreditOperation,
    EntryAnswer,
    GrantCredits,
    HoldAnswer,
    PlaceHold,
    Spend,
    VoidHold,
    answer_of,
)
from domain.decisions.spending import CaptureExceedsHold, ExpiryInPast, HoldAlreadySettled
from domain.ports.ledger import LedgerUnavailable
from domain.tests.examples import ADA, BOB
from domain.usecases.use_credits import MAX_ROUNDS, CreditService
from domain.values.accounts import UserId

NOBODY = UserId("00000000-0000-0000-0000-0000000000ff")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOLD = HoldId(str(uuid.UUID(int=1)))
CROWD = 48


class StoppedClock:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


class CountingLedger(MemoryLedger):
    """The ledger in memory, with the sizes of what was committed, and conflicts made by rivals."""

    def __init__(self) -> None:
        super().__init__(StoppedClock())
        self.batches: list[int] = []
        self.conflicts = 0
        self.rival: Callable[[], Awaitable[object]] | None = None
        """What another process does before the next commit."""
        self.breaks = 0
        """Calls that get no answer, though they are done."""

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        self.batches.append(len(changes))
        if self.rival is not None:
            rival, self.rival = self.rival, None
            await rival()
        if self.conflicts:
            self.conflicts -= 1
            return tuple(Conflict("account") for _ in changes)
        results = await super().commit(changes)
        if self.breaks:
            self.breaks -= 1
            raise LedgerUnavailable("silent")
        return results


class Shop:
    """A service that Ada and Bob signed up for."""

    def __init__(self) -> None:
        self.ledger = CountingLedger()
        self.cache = MemoryQuotaCache()
        self.ledger.add_user(ADA)
        self.ledger.add_user(BOB)
        self.service = CreditService(ledger=self.ledger, wallets=self.ledger, cache=self.cache, notify_below=20)

    async def ask(self, *operations: CreditOperation, now: datetime = NOW) -> tuple[Outcome, ...]:
        return await self.service.execute(operations, now)

    async def balance(self, user: UserId = ADA) -> tuple[int, int]:
        account = await self.ledger.account(user)
        assert account is not None
        return account.balance, account.held


async def open_shop() -> Shop:
    """Return a shop where Ada was given 100 credits, and Bob has none."""
    shop = Shop()
    await shop.ask(give(100, key="welcome"))
    shop.ledger.batches.clear()
    return shop


def give(credits: int, *, key: str, kind: EntryKind = EntryKind.PROMOTION, user: UserId = ADA) -> GrantCredits:  # noqa: A002 - the word for it
    return GrantCredits(user_id=user, credits=credits, kind=kind, key=key, reason="thanks", operator="Grace")


def spend(credits: int, key: str, user: UserId = ADA, **more: object) -> Spend:  # noqa: A002 - the word for it
    return Spend(user_id=user, credits=credits, key=key, **more)


def hold(credits: int, key: str = "h") -> PlaceHold:  # noqa: A002 - the word for it
    return PlaceHold(hold_id=HOLD, user_id=ADA, credits=credits, key=key, lasts=timedelta(hours=1))


async def test_a_repetition_gets_the_first_answer_for_ever() -> None:
    """Also when the balance is another by then, and when there would not be enough any more."""
    shop = await open_shop()
    (first,) = await shop.ask(spend(60, "a"))
    assert isinstance(first, Done)
    assert (
        EntryAnswer(
            user_id=ADA,
            kind="spend",
            credits=-60,
            version=2,
            balance=40,
            held=0,
            available=40,
            created_at=NOW.isoformat(),
        )
        == first.answer
    )
    (again,) = await shop.ask(spend(60, "a"), now=NOW + timedelta(days=400))
    assert attrs.evolve(first, repeated=True) == again
    assert (40, 0) == await shop.balance()


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (spend(61, "a", metadata={"job": "7"}), ("credits",)),
        (spend(60, "a", user=BOB, metadata={"job": "7"}), ("user_id",)),
        (spend(60, "a", metadata={"job": "8", "more": "x"}), ("metadata.job", "metadata.more")),
        (spend(60, "a", description="images"), ("description", "metadata.job")),
    ],
)
async def test_a_key_names_one_intent(other: Spend, fields: tuple[str, ...]) -> None:
    """Another operation under it is told what differs, and does nothing."""
    shop = await open_shop()
    await shop.ask(spend(60, "a", metadata={"job": "7"}))
    assert (IdempotencyKeyReused(fields),) == await shop.ask(other)
    assert (40, 0) == await shop.balance()


async def test_a_key_is_of_one_kind_of_intent() -> None:
    """A hold under a spend's key is another operation."""
    shop = await open_shop()
    await shop.ask(spend(60, "a"))
    (outcome,) = await shop.ask(hold(60, "a"))
    assert isinstance(outcome, IdempotencyKeyReused)
    assert "operation" in outcome.fields


async def test_a_refusal_is_not_kept() -> None:
    """What was refused for want of credits is done once there are enough."""
    shop = await open_shop()
    assert (Insufficient(100),) == await shop.ask(spend(150, "a"))
    await shop.ask(give(100, key="more"))
    (outcome,) = await shop.ask(spend(150, "a"))
    assert isinstance(outcome, Done)


async def test_a_busy_account_costs_one_commit() -> None:
    """40 spends at the same moment are decided together, and never take more than there is."""
    shop = await open_shop()
    outcomes = await shop.ask(*(spend(3, f"k{number}") for number in range(40)))
    assert 33 == sum(isinstance(outcome, Done) for outcome in outcomes)
    assert 7 == outcomes.count(Insufficient(1))
    assert [33] == shop.ledger.batches
    assert (1, 0) == await shop.balance()


async def test_a_crowd_has_one_message_of_each_account() -> None:
    """The cache is told of each transaction: the process may end after any of them."""
    shop = await open_shop()
    await shop.ask(*(spend(1, f"k{n}") for n in range(CROWD)))
    assert (100 - CROWD, 0) == await shop.balance()
    sent = [message.key for message in await shop.ledger.outbox.claim(100, lease_seconds=1)]
    assert [f"refresh_cache:{ADA}:revision={revision}" for revision in (0, 1)] == sent


@pytest.mark.parametrize("conflicts", [1, 2])
async def test_a_crowd_that_a_rival_was_before_is_decided_again(conflicts: int) -> None:
    """Each is done once."""
    shop = await open_shop()
    shop.ledger.conflicts = conflicts
    outcomes = await shop.ask(*(spend(1, f"k{n}") for n in range(CROWD)))
    versions = [outcome.answer.version for outcome in outcomes if isinstance(outcome, Done)]
    assert [*range(2, 2 + CROWD)] == sorted(versions)
    assert (100 - CROWD, 0) == await shop.balance()


@pytest.mark.parametrize("moves", [1, 2, CROWD // 2, CROWD])
async def test_a_rival_at_a_revision_that_we_expect_is_no_ground(moves: int) -> None:
    """He made as many changes as some of ours, of other amounts: each answer is of the entry that it names."""
    shop = await open_shop()
    rivals = [spend(3, f"rival {n}") for n in range(moves)]
    await shop.ask(give(300, key="more"))
    other = CreditService(ledger=shop.ledger, wallets=shop.ledger, cache=MemoryQuotaCache())
    shop.ledger.rival = lambda: other.execute(rivals, NOW)
    outcomes = await shop.ask(*(spend(2, f"k{n}") for n in range(CROWD)))
    entries = await shop.ledger.entries(ADA, before_version=None, limit=500)
    balances = {entry.version: entry.balance_after for entry in entries}
    assert CROWD * [Done] == [type(outcome) for outcome in outcomes]
    assert [balances[one.answer.version] for one in outcomes] == [one.answer.balance for one in outcomes]
    assert 400 - 3 * moves - 2 * CROWD == (await shop.balance())[0]
    kept = [answer_of(one) for one in shop.ledger.requests().values()]
    assert 2 + moves + CROWD == len(kept)
    assert [balances[one.version] for one in kept] == [one.balance for one in kept]


async def test_a_call_without_an_answer_may_be_done() -> None:
    """Who asks again gets the answer that stands."""
    shop = await open_shop()
    shop.ledger.breaks = 1
    crowd = [spend(1, f"k{n}") for n in range(CROWD)]
    with pytest.raises(LedgerUnavailable):
        await shop.ask(*crowd)
    outcomes = await shop.ask(*crowd)
    versions = [outcome.answer.version for outcome in outcomes if isinstance(outcome, Done) and outcome.repeated]
    assert [*range(2, 2 + CROWD)] == versions
    assert (100 - CROWD, 0) == await shop.balance()


class KeptTurns:
    """AccountLocks of a test: which accounts are contended, and what was done in a turn."""

    def __init__(self, *contended: UserId) -> None:
        self.are_shared = {*contended}
        self.taken: list[list[UserId]] = []
        self.looked_at: set[UserId] = set()
        self.others: set[UserId] = set()
        """Where others are found by the next look."""

    def contended(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(self.are_shared & {*user_ids})

    def mark_contended(self, user_ids: Collection[UserId]) -> None:
        self.are_shared |= {*user_ids}

    def probe_soon(self, user_ids: Collection[UserId]) -> None:
        self.looked_at |= {*user_ids}
        self.are_shared |= self.others & {*user_ids}

    @contextlib.asynccontextmanager
    async def lock(self, user_ids: Collection[UserId]) -> AsyncIterator[None]:
        self.taken.append(sorted(user_ids))
        yield


async def shop_with(locks: KeptTurns) -> Shop:
    shop = await open_shop()
    shop.service = attrs.evolve(shop.service, locks=locks)
    return shop


async def test_nobody_takes_turns_while_nobody_else_was_met() -> None:
    """A lone process waits for nobody; it looks whether there is somebody once it has written."""
    locks = KeptTurns()
    shop = await shop_with(locks)
    await shop.ask(spend(1, "a"), spend(1, "b", user=BOB))
    assert ([], {ADA}) == (locks.taken, locks.looked_at)


async def test_who_met_another_takes_turns_with_him() -> None:
    """From the next round on, and at that account alone."""
    locks = KeptTurns()
    shop = await shop_with(locks)
    shop.ledger.conflicts = 1
    (outcome,) = await shop.ask(spend(1, "a"))
    assert isinstance(outcome, Done)
    assert [[ADA]] == locks.taken
    await shop.ask(give(5, key="to Bob", user=BOB))
    assert [[ADA]] == locks.taken


async def test_what_others_do_not_want_is_not_kept_waiting() -> None:
    """It is done before the turn at what they do want; a hold is of its owner's account."""
    locks = KeptTurns(ADA)
    shop = await shop_with(locks)
    await shop.ask(give(10, key="to Bob", user=BOB), hold(5))
    locks.taken.clear()
    done_before: list[int] = []
    at = locks.lock

    def noted(user_ids: Collection[UserId]) -> AbstractAsyncContextManager[None]:
        done_before.append(len(shop.ledger.batches))
        return at(user_ids)

    locks.lock = noted
    shop.ledger.batches.clear()
    outcomes = await shop.ask(spend(1, "a"), spend(1, "b", user=BOB), CaptureHold(hold_id=HOLD))
    assert [Done, Done, Done] == [type(outcome) for outcome in outcomes]
    assert ([[ADA]], [1], [1, 2]) == (locks.taken, done_before, shop.ledger.batches)


async def test_what_breaks_by_ones_own_doing_is_no_meeting() -> None:
    """The same request twice at once breaks its account's chain, and what follows on it: no rival need be there."""
    locks = KeptTurns()
    shop = await shop_with(locks)
    other = CreditService(ledger=shop.ledger, wallets=shop.ledger, cache=MemoryQuotaCache())
    shop.ledger.rival = lambda: other.execute([spend(2, "old")], NOW)
    outcomes = await shop.ask(spend(2, "old"), *(spend(1, f"k{n}") for n in range(CROWD)))
    assert {Done} == {type(outcome) for outcome in outcomes}
    assert frozenset() == locks.contended([ADA])


@given(
    wishes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 60)), min_size=1, max_size=100),
    rival=st.integers(0, 60),
)
async def test_the_books_are_right_beside_a_rival(wishes: list[tuple[int, int]], rival: int) -> None:
    """A rival takes some too: each key is done once or refused, and what was answered is what the entries say."""
    shop = await open_shop()
    other = CreditService(ledger=shop.ledger, wallets=shop.ledger, cache=MemoryQuotaCache())
    taken: list[Outcome] = []

    async def take() -> None:
        taken.extend(await other.execute([spend(rival, "rival")], NOW))

    if rival:
        shop.ledger.rival = take
    asked = [spend(wish, f"k{key}") for wish, key in wishes]
    outcomes = await shop.ask(*asked)
    entries = await shop.ledger.entries(ADA, before_version=None, limit=500)
    balances = {entry.version: entry.balance_after for entry in entries}
    done, reused = {}, set()
    for operation, outcome in zip(asked, outcomes, strict=True):
        match outcome:
            case Done(answer=EntryAnswer() as answer):
                assert balances[answer.version] == answer.balance
                assert done.setdefault(operation.key, answer) == answer
                assert operation.credits == -answer.credits
            case IdempotencyKeyReused():
                reused.add(operation.key)
            case Insufficient(available):
                assert operation.credits > available
            case _:
                raise AssertionError(outcome)
    assert reused <= done.keys()
    spent = sum(-answer.credits for answer in done.values())
    has_taken = rival if any(isinstance(outcome, Done) for outcome in taken) else 0
    assert 100 - has_taken - spent == (await shop.balance())[0] >= 0
    assert () == await shop.ledger.audit.inconsistencies()


@given(wishes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 60)), min_size=1, max_size=120))
async def test_a_crowd_gets_what_there_is_and_no_more(wishes: list[tuple[int, int]]) -> None:
    """Nothing is spent twice, and nobody is refused what is there in the end."""
    shop = await open_shop()
    outcomes = await shop.ask(*(spend(credits_, f"k{key}") for credits_, key in wishes))
    done = {key: wish for (wish, key), outcome in zip(wishes, outcomes, strict=True) if isinstance(outcome, Done)}
    left, _ = await shop.balance()
    assert 100 - sum(done.values()) == left >= 0
    for (wish, key), outcome in zip(wishes, outcomes, strict=True):
        match outcome:
            case Done():
                assert done[key] == wish
            case Insufficient():
                assert wish > left
                assert key not in done
            case IdempotencyKeyReused(fields):
                assert ("credits",) == fields
                assert done[key] != wish
            case _:
                raise AssertionError(outcome)
    assert () == await shop.ledger.audit.inconsistencies()


async def test_the_same_key_twice_at_once_is_one_spend() -> None:
    """The second gets the first one's answer."""
    shop = await open_shop()
    first, second, other = await shop.ask(spend(60, "a"), spend(60, "a"), spend(50, "a"))
    assert isinstance(first, Done)
    assert attrs.evolve(first, repeated=True) == second
    assert IdempotencyKeyReused(("credits",)) == other
    assert (40, 0) == await shop.balance()


async def test_one_intent_harms_no_other() -> None:
    """Each gets an outcome of its own."""
    shop = await open_shop()
    outcomes = await shop.ask(
        spend(10, "a"),
        spend(10, "b", user=NOBODY),
        spend(10, "c", user=BOB),
        CaptureHold(hold_id=HOLD),
        spend(10, "d"),
    )
    assert [Done, NoSuchUser, Insufficient, NoSuchHold, Done] == [type(outcome) for outcome in outcomes]
    assert (80, 0) == await shop.balance()


async def test_a_hold_is_settled_once() -> None:
    """A repetition gets the first answer; another settlement is refused."""
    shop = await open_shop()
    (placed,) = await shop.ask(hold(60))
    assert isinstance(placed, Done)
    assert isinstance(placed.answer, HoldAnswer)
    assert ("open", 60, 40) == (placed.answer.status, placed.answer.held, placed.answer.available)
    assert (CaptureExceedsHold(held=60),) == await shop.ask(CaptureHold(hold_id=HOLD, credits=61))
    captured, voided, again, other = await shop.ask(
        CaptureHold(hold_id=HOLD, credits=25),
        VoidHold(hold_id=HOLD),
        CaptureHold(hold_id=HOLD, credits=25),
        CaptureHold(hold_id=HOLD),
    )
    assert isinstance(captured, Done)
    assert attrs.evolve(captured, repeated=True) == again
    assert HoldAlreadySettled(status=HoldStatus.CAPTURED, captured=25) == voided == other
    assert (75, 0) == await shop.balance()


async def test_all_of_a_hold_is_captured_by_default_and_named_the_same() -> None:
    """To capture all of it, named or not, is one operation."""
    shop = await open_shop()
    await shop.ask(hold(60))
    (captured,) = await shop.ask(CaptureHold(hold_id=HOLD))
    assert isinstance(captured, Done)
    assert (attrs.evolve(captured, repeated=True),) == await shop.ask(CaptureHold(hold_id=HOLD, credits=60))


async def test_a_forgotten_hold_can_not_be_captured() -> None:
    """At its end it is free, whether or not anybody has looked."""
    shop = await open_shop()
    await shop.ask(hold(60))
    late = NOW + timedelta(hours=1)
    expired = HoldAlreadySettled(status=HoldStatus.EXPIRED, captured=0)
    assert (expired,) == await shop.ask(CaptureHold(hold_id=HOLD), now=late)
    (spent,) = await shop.ask(spend(100, "a"), now=late)
    assert isinstance(spent, Done)
    assert (expired,) == await shop.ask(VoidHold(hold_id=HOLD), now=late)
    assert (0, 0) == await shop.balance()


@pytest.mark.parametrize("settlement", [CaptureHold(hold_id=HOLD), VoidHold(hold_id=HOLD)])
async def test_an_end_that_was_told_is_the_end_for_slower_clocks_too(settlement: CreditOperation) -> None:
    """It is written before it is told, once, with whatever else of the account is over."""
    shop = await open_shop()
    await shop.ask(hold(60))
    shop.ledger.batches.clear()
    expired = HoldAlreadySettled(status=HoldStatus.EXPIRED, captured=0)
    assert (expired, expired) == await shop.ask(settlement, settlement, now=NOW + timedelta(hours=1))
    assert [1] == shop.ledger.batches
    assert (expired,) == await shop.ask(CaptureHold(hold_id=HOLD), now=NOW)
    assert (100, 0) == await shop.balance()
    assert {} == {key: kept for key, kept in shop.ledger.requests().items() if HOLD in key}, "no answer is kept of it"


async def test_an_end_that_could_not_be_written_is_not_told() -> None:
    """What the ledger does not have, another process may not see."""
    shop = await open_shop()
    await shop.ask(hold(60))
    shop.ledger.conflicts = MAX_ROUNDS
    (tired,) = await shop.ask(CaptureHold(hold_id=HOLD), now=NOW + timedelta(hours=1))
    assert isinstance(tired, NotCommitted)
    (captured,) = await shop.ask(CaptureHold(hold_id=HOLD), now=NOW)
    assert isinstance(captured, Done)


async def test_a_hold_that_ends_beside_other_intents_is_told_so() -> None:
    """Whatever frees it first."""
    shop = await open_shop()
    await shop.ask(hold(60))
    late = NOW + timedelta(hours=1)
    spent, voided, captured = await shop.ask(
        spend(100, "a"), VoidHold(hold_id=HOLD), CaptureHold(hold_id=HOLD, credits=1), now=late
    )
    assert isinstance(spent, Done)
    assert HoldAlreadySettled(status=HoldStatus.EXPIRED, captured=0) == voided == captured


async def test_the_cache_learns_of_what_a_hold_sets_aside() -> None:
    """Although no entry is made."""
    shop = await open_shop()
    await shop.ask(hold(60))
    copy = await shop.cache.find(ADA)
    assert copy is not None
    assert (100, 60, 1, 2) == (copy.balance, copy.held, copy.version, copy.revision)


@pytest.mark.parametrize(
    ("kind", "priority"), [(EntryKind.PROMOTION, PROMOTION_PRIORITY), (EntryKind.GOODWILL, GOODWILL_PRIORITY)]
)
async def test_what_an_operator_gives_is_a_grant(kind: EntryKind, priority: int) -> None:
    """With its reason, the operator's name, and the priority of its kind."""
    shop = await open_shop()
    (given,) = await shop.ask(give(40, key="g", kind=kind, user=BOB))
    assert isinstance(given, Done)
    (grant,) = shop.ledger.grants.of(BOB)
    assert (kind.value, priority, 40) == (grant.kind, grant.priority, grant.remaining)
    (entry,) = await shop.ledger.entries(BOB, before_version=None, limit=9)
    assert ("thanks", {"operator": "Grace"}) == (entry.posting.description, entry.posting.metadata)


async def test_an_adjustment_takes_no_more_than_is_available() -> None:
    """Nor what a hold sets aside."""
    shop = await open_shop()
    await shop.ask(hold(60))
    adjustment = AdjustCredits(user_id=ADA, credits=-41, key="j", reason="recount", operator="Grace")
    assert (Insufficient(40),) == await shop.ask(adjustment)
    (done,) = await shop.ask(attrs.evolve(adjustment, credits=-40))
    assert isinstance(done, Done)
    assert (60, 60) == await shop.balance()


async def test_what_was_given_can_be_spent_in_the_same_moment() -> None:
    """The ledger names a new grant, so what needs it is decided after."""
    shop = await open_shop()
    outcomes = await shop.ask(give(40, key="g", user=BOB), spend(40, "a", user=BOB))
    assert [Done, Done] == [type(outcome) for outcome in outcomes]
    assert (0, 0) == await shop.balance(BOB)


async def test_a_rival_makes_us_decide_again() -> None:
    """A conflict is no failure, while they do not go on for ever."""
    shop = await open_shop()
    shop.ledger.conflicts = MAX_ROUNDS - 1
    (outcome,) = await shop.ask(spend(60, "a"))
    assert isinstance(outcome, Done)
    shop.ledger.conflicts = MAX_ROUNDS
    (tired,) = await shop.ask(spend(10, "b"))
    assert isinstance(tired, NotCommitted)
    assert (40, 0) == await shop.balance()


async def test_falling_below_the_threshold_makes_one_message() -> None:
    """Hovering below makes no second; rising and falling again does."""
    shop = await open_shop()

    async def messages() -> list[str]:
        claimed = await shop.ledger.outbox.claim(100, lease_seconds=1000)
        return [message.payload["available"] for message in claimed if message.topic == "low_balance"]

    await shop.ask(spend(80, "a"))
    assert [] == await messages()
    await shop.ask(spend(1, "b"), spend(1, "c"))
    assert ["19"] == await messages()
    await shop.ask(spend(1, "d"))
    await shop.ask(give(10, key="g"))
    assert [] == await messages()
    await shop.ask(hold(20))
    assert ["7"] == await messages()


async def test_what_is_over_is_swept() -> None:
    """By itself, an account at a time; what is not over stays."""
    shop = await open_shop()
    await shop.ask(attrs.evolve(give(30, key="l", user=BOB), expires_at=NOW + timedelta(days=1)))
    await shop.ask(attrs.evolve(give(30, key="g", user=BOB), expires_at=NOW), now=NOW - timedelta(seconds=1))
    assert [BOB] == [*await shop.service.execute_overdue(NOW)]
    assert (30, 0) == await shop.balance(BOB)
    assert {} == await shop.service.execute_overdue(NOW)
    assert (100, 0) == await shop.balance()


async def test_a_key_that_looks_like_a_holds_harms_no_hold() -> None:
    """Whatever a caller names an operation, a hold is settled under a name of its own."""
    shop = await open_shop()
    await shop.ask(hold(50))
    for key in (f"hold:{HOLD}", f"capture:{HOLD}", f"hold:{HOLD}:settled"):
        (spent,) = await shop.ask(spend(10, key))
        assert isinstance(spent, Done)
    (captured,) = await shop.ask(CaptureHold(hold_id=HOLD, credits=10))
    assert isinstance(captured, Done)
    assert (60, 0) == await shop.balance()


async def test_more_gifts_than_rounds_are_all_given() -> None:
    """Each needs a round of its own, and each round does something."""
    shop = await open_shop()
    outcomes = await shop.ask(*(give(1, key=f"gift {number}") for number in range(MAX_ROUNDS + 5)), spend(120, "a"))
    assert {Done} == {type(outcome) for outcome in outcomes}
    assert (100 + MAX_ROUNDS + 5 - 120, 0) == await shop.balance()


async def test_first_answers_outlive_the_user() -> None:
    """Who asks again after the user has left is told what was done."""
    shop = await open_shop()
    await shop.ask(hold(50))
    asked = (CaptureHold(hold_id=HOLD, credits=20), spend(10, "a"))
    first = [(await shop.ask(one))[0] for one in asked]
    shop.ledger.delete_user(ADA)
    again = [(await shop.ask(one))[0] for one in asked]
    assert [attrs.evolve(one, repeated=True) for one in first if isinstance(one, Done)] == again


async def test_a_gift_is_repeated_after_its_end() -> None:
    """The first answer stands; a new one that ends in the past is refused."""
    shop = await open_shop()
    ends = NOW + timedelta(hours=1)
    gift = attrs.evolve(give(5, key="g"), expires_at=ends)
    (first,) = await shop.ask(gift)
    assert isinstance(first, Done)
    assert (attrs.evolve(first, repeated=True),) == await shop.ask(gift, now=ends)
    assert (ExpiryInPast(expires_at=ends),) == await shop.ask(attrs.evolve(gift, key="other"), now=ends)


def test_what_was_kept_years_ago_is_answered_as_it_was() -> None:
    """These are answers as the ledger has them; to change what can be read here would change old answers."""
    entry = {
        "kind": "spend", "held": 0, "balance": 70, "credits": -30, "user_id": ADA, "version": 2, "available": 70,
        "created_at": "2026-11-24T21:27:55.316687+00:00", "expires_at": None,
    }  # fmt: skip
    held = {
        "id": HOLD, "held": 50, "status": "open", "balance": 70, "credits": 50, "user_id": ADA, "captured": 0,
        "available": 20, "expires_at": "2026-11-24T21:42:55.336300+00:00",
    }  # fmt: skip
    for kept in (entry, held):
        answer = answer_of(IdempotencyRecord(key="key:k", user_id=ADA, content={}, answer=kept))
        assert kept == attrs.asdict(answer)
        assert sorted(kept) == sorted(field.name for field in attrs.fields(type(answer)))


async def test_what_stands_in_for_held_credits_is_not_due() -> None:
    """Otherwise it would come first, again and again, and keep others waiting."""
    shop = await open_shop()
    await shop.ask(attrs.evolve(give(30, key="e", user=BOB), expires_at=NOW + timedelta(seconds=1)))
    await shop.ask(PlaceHold(hold_id=HOLD, user_id=BOB, credits=30, key="h", lasts=timedelta(days=1)))
    grants = shop.ledger.grants
    # As after a refund of what is held, with other credits in its place.
    (grant,) = grants.of(BOB)
    grants._grants[BOB][grant.id] = attrs.evolve(grant, held=0)
    assert [] == grants.overdue(NOW + timedelta(hours=1), lambda _: False)
    assert [BOB] == [user for _, user in grants.overdue(NOW + timedelta(hours=1), lambda _: True)]
