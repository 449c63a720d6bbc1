"""One contract for spending on every ledger: the same story ends in the same books, and the check is content."""

import asyncio
import gc
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.batching.batched_credits import BatchedCreditService
from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.ledger import MemoryLedger
from adapters.system.clock import SystemClock
from domain.changes.changes import Conflict, Duplicate, HoldingsQuery
from domain.credits.holds import HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done, decide_together, outcome_from
from domain.decisions.operations import CaptureHold, GrantCredits, PlaceHold, Spend, VoidHold
from domain.decisions.spending import HoldAlreadySettled
from domain.ports.ledger import Audit
from domain.usecases.use_credits import CreditService
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
            # The keys of expiries, and of what returns to a grant, have the grant's id.
            None
            if entry.posting.kind in (EntryKind.EXPIRY, EntryKind.REINSTATEMENT)
            else entry.posting.idempotency_key.replace(life.tag, "").replace(life.user_id, ""),
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
    """The process that reports the end has written it; what expired is freed once, and captured by nobody."""
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
    """Two processes' crowds at once on one account: each credit is spent once, none is left."""
    async with open_world() as world:
        user, tag = await world.sign_up(None), uuid.uuid4().hex
        service = CreditService(
            ledger=world.ledger,
            wallets=world.ledger,
            cache=MemoryQuotaCache(),
        )
        gift = GrantCredits(
            user_id=user, credits=150, kind=EntryKind.GOODWILL, key=f"g {tag}", reason="hello", operator="Grace"
        )
        await service.execute([gift], datetime.now(UTC))
        processes = [BatchedCreditService(service) for _ in range(2)]
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


async def test_a_repetition_that_was_done_meanwhile_gets_its_first_answer(open_world: Any) -> None:
    """Though it was not known yet when the account was read; what was decided after it is decided again."""
    async with open_world() as world:
        now, tag, ledger = datetime.now(UTC), uuid.uuid4().hex, world.ledger
        user = await world.sign_up(None)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        gift = GrantCredits(
            user_id=user, credits=100, kind=EntryKind.GOODWILL, key=f"g {tag}", reason="hello", operator="Grace"
        )
        await service.execute([gift], now)
        spends = {n: Spend(user_id=user, credits=2, key=f"{tag} {n}") for n in range(2)}
        found = await ledger.holdings(HoldingsQuery(user_ids=frozenset({user})))
        (first,) = await service.execute([spends[0]], now)
        assert isinstance(first, Done)
        decided = [*decide_together(spends, found, now).decided.values()]
        repeated, after = await ledger.commit([one.change for one in decided])
        assert isinstance(repeated, Duplicate)
        assert Done(answer=first.answer, repeated=True) == outcome_from(spends[0], decided[0], repeated)
        assert Conflict("account") == after
        account = await ledger.account(user)
        assert 98 == account.balance


async def test_what_rests_on_a_change_that_is_not_committed_is_not_committed(open_world: Any) -> None:
    """Though the account is at the revision that it expects: a rival brought it there. Another account's change is."""
    async with open_world() as world:
        now, tag, ledger = datetime.now(UTC), uuid.uuid4().hex, world.ledger
        ada, bob = await world.sign_up(None), await world.sign_up(None)
        service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        grants = [
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
        await service.execute(grants, now)
        found = await ledger.holdings(HoldingsQuery(user_ids=frozenset({ada, bob})))
        users = {0: ada, 1: bob, 2: ada, 3: ada}
        spends = {n: Spend(user_id=user, credits=2, key=f"{tag} {n}") for n, user in users.items()}
        batch = decide_together(spends, found, now)
        await service.execute([Spend(user_id=ada, credits=3, key=f"{tag} rival")], now)
        results = await ledger.commit([decided.change for decided in batch.decided.values()])
        assert ["Conflict", "Committed", "Conflict", "Conflict"] == [type(result).__name__ for result in results]
        accounts = {user: await ledger.account(user) for user in (ada, bob)}
        assert {ada: 47, bob: 48} == {user: account.balance for user, account in accounts.items()}


async def test_a_story_that_fails_fails_no_other_test(open_world: Any) -> None:
    """What it opened is closed; a connection that is left open would fail whichever test runs when it is collected."""

    async def story() -> None:
        async with open_world() as world:
            await world.sign_up(None)
            raise LookupError("of this story alone")

    with pytest.raises(LookupError):
        await story()
    gc.collect()
