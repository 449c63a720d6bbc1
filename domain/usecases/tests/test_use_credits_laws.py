"""Laws of spending, on the real use cases over the ledger in memory: nothing is spent twice, no credit is lost."""

from datetime import datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from domain.credits.explanation import explain
from domain.credits.ledger import EntryKind
from features.harness.credit_stories import ADA, START, GiveBack, Life, Sell, Wait, acts


class SteppedClock:
    """The clock of the ledger, which shows the time of the story."""

    life: Life | None = None

    def now(self) -> datetime:
        return self.life.time if self.life is not None else START


async def check(life: Life, ledger: MemoryLedger) -> None:
    account = await ledger.account(ADA)
    entries = await life.entries()
    assert () == await ledger.audit.inconsistencies()
    record = await ledger.audit.record_of(ADA)
    explained = explain(record)
    grants, holds = tuple(known.grant for known in record.grants), record.holds
    draws = [(known.grant.id, draw) for known in record.grants for draw in known.draws]
    for reported in explained.grants:
        assert reported.grant.credits == reported.grant.remaining + reported.drawn, "a person can add it up"
        assert reported.grant.credits == sum(entry.posting.amount for entry in reported.puts)
        assert [] == [draw for draw in reported.draws if draw.entry is None]
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


@settings(max_examples=500, deadline=None)
@given(story=st.lists(acts, max_size=25))
@example(story=[Sell(0, 10, 10), Wait(12), GiveBack(0, 100), GiveBack(0, 50), GiveBack(0, 0)])
async def test_the_books_balance_whatever_happens(story: list[Any]) -> None:
    """Entries sum to the balance, grants remain what entries left, holds hold what they say: after each step."""
    clock = SteppedClock()
    ledger = MemoryLedger(clock)
    ledger.add_user(ADA)
    clock.life = life = Life(ledger, ADA)
    for act in story:
        await life.live(act)
        await check(life, ledger)
