"""Laws of rollover, on the real use cases over the ledger in memory: whatever happens, no more stays than the cap."""

from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from domain.credits.grants import lapsing
from domain.credits.holds import HoldStatus
from domain.decisions.operations import ExpireOverdue, PlaceHold
from features.harness.credit_stories import ADA, HOLDS, START, GiveBack, Life, Sell, Wait, acts


class StoryClock:
    """The clock of the ledger, which shows the time of the story."""

    life: Life | None = None

    def now(self) -> Any:
        return self.life.time if self.life is not None else START


@settings(max_examples=300, deadline=None)
@given(story=st.lists(acts, max_size=25))
@example(story=[Sell(0, 100, 5, 20), Sell(1, 100, 5, 50), Wait(6), GiveBack(0, 100), GiveBack(0, 0)])
async def test_no_more_stays_than_the_cap(story: list[Any]) -> None:
    """Once all that is due is settled, nothing more is due, and what is over and free fits below the largest cap."""
    clock = StoryClock()
    ledger = MemoryLedger(clock)
    ledger.add_user(ADA)
    clock.life = life = Life(ledger, ADA)
    for act in story:
        await life.live(act)
    await life.live([ExpireOverdue(user_id=ADA)])
    account, record = await ledger.account(ADA), await ledger.audit.record_of(ADA)
    assert account is not None
    assert record is not None
    assert () == await ledger.accounts_with_overdue(10)
    grants = [known.grant for known in record.grants]
    over = [one for one in grants if one.has_expired(life.time)]
    if account.available > 0:
        assert {} == lapsing(grants, life.time)
        assert sum(one.free for one in over) <= max((one.rollover_cap or 0 for one in over), default=0)


async def test_held_credits_neither_expire_nor_fill_the_cap() -> None:
    """Until the hold's time is over: then the cap counts for them as well."""
    clock = StoryClock()
    ledger = MemoryLedger(clock)
    ledger.add_user(ADA)
    clock.life = life = Life(ledger, ADA)
    place = PlaceHold(hold_id=HOLDS[0], user_id=ADA, credits=80, key="h", lasts=timedelta(hours=10))
    balances = []
    for act in ([Sell(0, 100, 5, 50), [place]], [Wait(6), [ExpireOverdue(user_id=ADA)]], [Wait(20)]):
        for one in act:
            await life.live(one)
        await life.live([ExpireOverdue(user_id=ADA)])
        account = await ledger.account(ADA)
        assert account is not None
        balances.append(account.balance)
    assert [HoldStatus.EXPIRED] == [hold.status for hold in ledger.grants.holds(ADA)]
    assert [100, 100, 50] == balances
