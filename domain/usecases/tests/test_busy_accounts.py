"""Many spends of one account at once, beside rivals: each is done once, and who meets others takes turns with them."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.changes import Change, CommitResult, Conflict, Holdings, HoldingsQuery
from domain.credits.wallets import Insufficient
from domain.decisions.batches import Done, IdempotencyKeyReused, NotCommitted, Outcome
from domain.decisions.operations import CaptureHold, EntryAnswer, answer_of
from domain.ports.ledger import LedgerUnavailable, LedgerUntouched
from domain.tests.examples import ADA, BOB
from domain.usecases.tests.shop import HOLD, NOW, CountingLedger, Shop, give, hold, open_shop, spend
from domain.usecases.use_credits import MAX_ROUNDS, CreditService
from domain.values.accounts import UserId

CROWD = 48


async def test_a_busy_account_costs_one_commit() -> None:
    """40 spends at the same moment are decided together, and never take more than there is."""
    shop = await open_shop()
    outcomes = await shop.ask(*(spend(3, f"k{number}") for number in range(40)))
    assert 33 == sum(isinstance(outcome, Done) for outcome in outcomes)
    assert 7 == outcomes.count(Insufficient(1))
    assert [33] == shop.ledger.batches
    assert (1, 0) == await shop.balance()


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


class HalfLedger(CountingLedger):
    """A ledger that writes the first of two changes, while another process is first at the second, and then is away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        if len(changes) < 2:
            return await super().commit(changes)
        self.is_away = True
        return (*await super().commit(changes[:1]), Conflict("account"))

    async def holdings(self, query: HoldingsQuery) -> Holdings:
        if self.is_away:
            raise LedgerUntouched("away")
        return await super().holdings(query)


async def test_operations_done_before_the_ledger_went_away_are_reported_as_done() -> None:
    """Only what was not done is reported as such, and may be requested again."""
    ledger = HalfLedger()
    ledger.add_user(ADA)
    ledger.add_user(BOB)
    service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
    done, other = await service.execute([give(5, key="a"), give(5, key="b", user=BOB)])
    assert isinstance(done, Done)
    assert isinstance(other, NotCommitted)
    assert other.is_contended
    with pytest.raises(LedgerUntouched):
        await service.execute([give(5, key="b", user=BOB)])
