"""One contract for spending on every ledger: the same story ends in the same books, and the check is content."""

import asyncio
import gc
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.batching.batched_credits import BatchedCreditService
from adapters.batching.write_pipeline import SystemWritePipeline
from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.ledger import MemoryLedger
from adapters.system.backoff import SystemBackoff
from adapters.system.clock import SystemClock
from domain.changes.changes import ExpectedAccount
from domain.credits.holds import HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done, IdempotencyKeyReused, Outcome, SpeculativeAccounts, commit_plan
from domain.decisions.operations import CaptureHold, CreditOperation, GrantCredits, PlaceHold, Spend, VoidHold
from domain.decisions.spending import HoldAlreadySettled
from domain.ports.ledger import Audit
from domain.usecases.use_credits import BATCH, CreditService
from features.harness.credit_stories import ADA, Life, acts


async def books(audit: Audit, life: Life) -> Any:
    """All that the ledger has of the account, but for ids, times, and the tag."""
    record = await audit.record_of(life.user_id)
    account = record.account
    entries = [
        (
            entry.posting.kind,
            entry.posting.amount,
            entry.balance_after,
            entry.posting.description,
            # Of an expiry, and of what returns to a grant, the key has the grant's id.
            None
            if entry.posting.kind is EntryKind.EXPIRY
            else entry.posting.idempotency_key.partition(":returned=")[0]
            .replace(life.tag, "")
            .replace(life.user_id, ""),
        )
        for entry in record.entries
    ]
    places = {known.grant.id: place for place, known in enumerate(record.grants)}
    grants = [
        (
            known.grant.kind,
            known.grant.priority,
            known.grant.credits,
            known.grant.remaining,
            known.grant.held,
            known.grant.expires_at,
            [(draw.version, draw.credits) for draw in known.draws],
        )
        for known in record.grants
    ]
    holds = [
        (hold.status, hold.credits, hold.captured, [(places[draw.grant_id], draw.credits) for draw in hold.draws])
        for hold in sorted(record.holds, key=lambda hold: hold.idempotency_key)
    ]
    outcomes = [
        (type(outcome).__name__, getattr(outcome.answer, "available", None), outcome.repeated)
        if isinstance(outcome, Done)
        else outcome
        for outcome in life.outcomes
    ]
    figures = (account.balance, account.held, account.version, account.revision)
    return {"figures": figures, "entries": entries, "grants": grants, "holds": holds, "outcomes": outcomes}


def ours(outcomes: Any, user_id: str) -> Any:
    """What is wrong with one account, of all that the check says."""
    return [row for row in outcomes if row.user_id == user_id]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(story=st.lists(acts, min_size=5, max_size=20))
async def test_the_same_story_ends_in_the_same_books(open_world: Any, story: list[Any]) -> None:
    """Entry by entry, grant by grant and draw by draw, whichever ledger keeps them."""
    memory, tag = MemoryLedger(SystemClock()), uuid.uuid4().hex
    memory.add_user(ADA)
    expected = Life(memory, ADA, tag=tag)
    async with open_world() as world:
        life = Life(world.ledger, await world.sign_up(None), tag=tag)
        for act in story:
            await expected.live(act)
            await life.live(act)
        assert await books(memory.audit, expected) == await books(world.audit, life)
        assert [] == ours(await world.audit.inconsistencies(), life.user_id)


async def test_a_hold_whose_end_was_reported_is_over_for_slower_clocks(open_world: Any) -> None:
    """The process that tells of the end has written it; what expired is freed once, and captured by nobody."""
    async with open_world() as world:
        user, hold, now = await world.sign_up(None), HoldId(str(uuid.uuid4())), datetime.now(UTC)
        service = CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache())
        gift = GrantCredits(
            user_id=user, credits=50, kind=EntryKind.GOODWILL, key=f"g {hold}", reason="hello", operator="Grace"
        )
        held = PlaceHold(hold_id=hold, user_id=user, credits=30, key=f"h {hold}", lasts=timedelta(hours=1))
        await service.execute([gift, held], now)
        fast, slow = now + timedelta(hours=1), now
        expired = HoldAlreadySettled(status=HoldStatus.EXPIRED, captured=0)
        for settlement, moment in ((VoidHold(hold_id=hold), fast), (CaptureHold(hold_id=hold), slow)):
            assert (expired,) == await service.execute([settlement], moment)
        record = await world.audit.record_of(user)
        assert (50, 0) == (record.account.balance, record.account.held)
        assert [HoldStatus.EXPIRED] == [known.status for known in record.holds]
        assert [] == ours(await world.audit.inconsistencies(), user)


async def test_a_crowd_gets_what_there_is_and_no_more(open_world: Any) -> None:
    """Two processes' crowds at once on one account, each written in parts: each credit is spent once, none is left."""
    async with open_world() as world:
        user, tag = await world.sign_up(None), uuid.uuid4().hex
        service = CreditService(
            ledger=world.ledger,
            wallets=world.ledger,
            cache=MemoryQuotaCache(),
            backoff=SystemBackoff(),
            pipeline=SystemWritePipeline(),
        )
        gift = GrantCredits(
            user_id=user, credits=150, kind=EntryKind.GOODWILL, key=f"g {tag}", reason="hello", operator="Grace"
        )
        await service.execute([gift], datetime.now(UTC))
        processes = [BatchedCreditService(service, SystemClock()) for _ in range(2)]
        resolved = await asyncio.gather(
            *(
                process.execute(Spend(user_id=user, credits=1, key=f"{tag} {number} {n}"))
                for n in range(100)
                for number, process in enumerate(processes)
            )
        )
        assert {"Done": 150, "Insufficient": 50} == Counter(type(outcome).__name__ for outcome in resolved)
        answers = [outcome.answer for outcome in resolved if isinstance(outcome, Done)]
        assert {n: 151 - n for n in range(2, 152)} == {answer.version: answer.balance for answer in answers}
        assert [] == ours(await world.audit.inconsistencies(), user)
        for process in processes:
            await process.aclose()


class Latecomers:
    """Callers who ask once while others' operations are being written."""

    def __init__(self, operations: list[CreditOperation]) -> None:
        self.operations = operations
        self.resolved: dict[int, Outcome] = {}

    def take(self) -> tuple[list[CreditOperation], datetime]:
        late, self.operations = self.operations, []
        return late, datetime.now(UTC)

    def resolve(self, place: int, outcome: Outcome) -> None:
        assert place not in self.resolved
        self.resolved[place] = outcome


async def test_repetitions_that_join_a_crowd_get_their_first_answers(open_world: Any) -> None:
    """Nobody looked their keys up, but the ledger knows them; what was decided after them is done all the same."""
    async with open_world() as world:
        now, tag, ledger = datetime.now(UTC), uuid.uuid4().hex, world.ledger
        user = await world.sign_up(None)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache(), pipeline=SystemWritePipeline())

        def spend(credits: int, key: str) -> Spend:  # noqa: A002 - the word for it
            return Spend(user_id=user, credits=credits, key=f"{tag} {key}")

        gift = GrantCredits(
            user_id=user, credits=100, kind=EntryKind.GOODWILL, key=f"g {tag}", reason="hello", operator="Grace"
        )
        await service.execute([gift], now)
        (old,) = await service.execute([spend(2, "old")], now)
        late_arrivals = Latecomers([spend(2, "old"), spend(1, "k0"), spend(3, "old"), spend(1, "new")])
        outcomes = await service.execute(
            [spend(1, f"k{n}") for n in range(2 * BATCH)], now, late_arrivals=late_arrivals
        )
        assert dict(enumerate(outcomes)) == late_arrivals.resolved
        first = outcomes[0]
        assert isinstance(old, Done)
        assert isinstance(first, Done)
        assert (attrs.evolve(old, repeated=True), attrs.evolve(first, repeated=True)) == outcomes[-4:-2]
        assert IdempotencyKeyReused(("credits",)) == outcomes[-2]
        assert isinstance(outcomes[-1], Done)
        account = await ledger.account(user)
        assert 100 - 2 - 2 * BATCH - 1 == account.balance
        assert [] == ours(await world.audit.inconsistencies(), user)


async def test_what_rests_on_a_change_that_is_not_committed_is_not_committed(open_world: Any) -> None:
    """Though the account is at the revision that it expects: a rival brought it there. Another account's change is."""
    async with open_world() as world:
        now, tag, ledger = datetime.now(UTC), uuid.uuid4().hex, world.ledger
        ada, bob = await world.sign_up(None), await world.sign_up(None)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        gifts = [
            GrantCredits(
                user_id=user,
                credits=50,
                kind=EntryKind.GOODWILL,
                key=f"{user} {tag}",
                reason="hello",
                operator="Grace",
            )
            for user in (ada, bob)
        ]
        await service.execute(gifts, now)
        found = await ledger.holdings(user_ids=frozenset({ada, bob}), keys=frozenset(), hold_ids=frozenset())
        users = {0: ada, 1: bob, 2: ada, 3: ada}
        spends = {n: Spend(user_id=user, credits=2, key=f"{tag} {n}") for n, user in users.items()}
        batch = SpeculativeAccounts(found).decide(spends, now)
        await service.execute([Spend(user_id=ada, credits=3, key=f"{tag} rival")], now)
        results = await ledger.commit([decided.change for decided in batch.decided.values()])
        assert ["Conflict", "Committed", "Conflict", "Conflict"] == [type(result).__name__ for result in results]
        accounts = {user: await ledger.account(user) for user in (ada, bob)}
        assert {ada: 47, bob: 48} == {user: account.balance for user, account in accounts.items()}


@pytest.mark.parametrize(
    ("rivals", "arrive", "results"),
    [
        pytest.param([], [0, 1], ["Committed"] * 5, id="as hoped"),
        pytest.param([3], [0, 1], ["Conflict"] * 2 + ["Committed"] + ["Conflict"] * 2, id="the first lost to a rival"),
        pytest.param([1, 2], [1], ["Committed"] + ["Conflict"] * 2, id="a rival came to the same revision"),
        pytest.param([1, 3], [1], ["Committed"] * 3, id="a rival came to the same account"),
        pytest.param([], [1, 0], ["Committed"] + ["Conflict"] * 2 + ["Committed"] * 2, id="the second came sooner"),
    ],
)
async def test_what_rests_on_another_commit_needs_the_account_as_that_leaves_it(
    open_world: Any, rivals: list[int], arrive: list[int], results: list[str]
) -> None:
    """Calls may be sent before it is known what came of those before them. Others' accounts are not concerned."""
    async with open_world() as world:
        now, tag, ledger = datetime.now(UTC), uuid.uuid4().hex, world.ledger
        ada, bob = await world.sign_up(None), await world.sign_up(None)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        gifts = [
            GrantCredits(
                user_id=user,
                credits=50,
                kind=EntryKind.GOODWILL,
                key=f"{user} {tag}",
                reason="hello",
                operator="Grace",
            )
            for user in (ada, bob)
        ]
        await service.execute(gifts, now)
        found = await ledger.holdings(user_ids=frozenset({ada, bob}), keys=frozenset(), hold_ids=frozenset())
        users = [ada, ada, bob, ada, ada]
        spends = {n: Spend(user_id=user, credits=2, key=f"{tag} {n}") for n, user in enumerate(users)}
        decided = [*SpeculativeAccounts(found).decide(spends, now).decided.values()]
        expected = {
            ada: ExpectedAccount(account=decided[1].wallet.account, base_revision=decided[0].guard.expected_revision)
        }
        calls = [commit_plan(decided[:2], {}), commit_plan(decided[2:], expected)]
        for n, wish in enumerate(rivals):
            await service.execute([Spend(user_id=ada, credits=wish, key=f"{tag} rival {n}")], now)
        resolved = [result for call in arrive for result in await ledger.commit(calls[call])]
        assert results == [type(result).__name__ for result in resolved]
        assert [] == [*ours(await world.audit.inconsistencies(), ada), *ours(await world.audit.inconsistencies(), bob)]


async def test_a_story_that_fails_fails_no_other_test(open_world: Any) -> None:
    """What it opened is closed; a connection that is left open would fail whichever test runs when it is collected."""

    async def story() -> None:
        async with open_world() as world:
            await world.sign_up(None)
            raise LookupError("of this story alone")

    with pytest.raises(LookupError):
        await story()
    gc.collect()
