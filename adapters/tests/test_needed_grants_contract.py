"""One contract for what a wallet leaves out: every ledger chooses the grants that the domain's rule names."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.changes import HoldingsQuery
from domain.credits.grants import needed
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done
from domain.decisions.operations import CaptureHold, GrantCredits, PlaceHold, Spend
from domain.usecases.use_credits import CreditService
from features.harness.credit_stories import ADA, HOLDS, START, GiveBack, Life, Sell, Wait, acts


def given_away(key: str, credits_: int, *, kind: EntryKind = EntryKind.GOODWILL, hours: int | None = None) -> Any:
    return GrantCredits(
        user_id=ADA,
        credits=credits_,
        kind=kind,
        key=key,
        reason="thanks",
        operator="Grace",
        expires_at=START + timedelta(hours=hours) if hours else None,
    )


def held(number: int, credits_: int, hours: int = 5) -> PlaceHold:
    lasts = timedelta(hours=hours)
    return PlaceHold(hold_id=HOLDS[number], user_id=ADA, credits=credits_, key=f"h{number}", lasts=lasts)


ALL_KINDS = [
    Sell(0, 30, None),
    Sell(1, 60, 10, 20),
    Sell(2, 100, 10),
    [given_away("g1", 10, hours=100)],
    [given_away("g2", 10)],
    [given_away("g3", 10, kind=EntryKind.PROMOTION)],
    [held(0, 15), held(1, 30, hours=50)],
    Wait(20),
    [Spend(user_id=ADA, credits=10, key="s")],
]
"""Credits that end and do not, that roll over, and of each priority; some are held."""
CLAWED_BACK = [Sell(0, 60, None), Sell(1, 60, None), [held(0, 60)], GiveBack(0, 100)]
"""A grant on which more is held than remains of it."""
ENDING_LATER = [Sell(0, 30, None), Sell(1, 30, 10)]
"""What ends burns first, though what does not end is older."""


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(story=st.lists(acts, min_size=5, max_size=12))
@example(story=ALL_KINDS)
@example(story=CLAWED_BACK)
@example(story=ENDING_LATER)
async def test_a_wallet_has_the_grants_that_the_rule_names(open_world: Any, story: list[Any]) -> None:
    """Whatever was sold, given, spent, held and clawed back, however much is taken, and at whichever time."""
    async with open_world() as world:
        user = await world.sign_up(None)
        life = Life(world.ledger, user, tag=uuid.uuid4().hex)
        for act in story:
            await life.live(act)
        whole = (await world.ledger.holdings(HoldingsQuery(user_ids=frozenset({user})))).wallets[user]
        for hours in (0, 15):
            now = life.time + timedelta(hours=hours)
            for wanted in (0, 1, 15, 40, 100):
                query = HoldingsQuery(user_ids=frozenset({user}), taking={user: wanted}, now=now)
                found = await world.ledger.holdings(query)
                assert needed(whole.grants, wanted, now) == found.wallets[user].grants
                assert (now, False) == (found.now, found.has_all_grants)


async def test_a_hold_asks_for_as_much_as_it_holds(open_world: Any) -> None:
    """Of its owner's grants, beside what else is taken; the ledger's own clock says what is over."""
    async with open_world() as world:
        user, hold, now = await world.sign_up(None), HoldId(str(uuid.uuid4())), datetime.now(UTC)
        service = CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache())
        grants = [
            GrantCredits(
                user_id=user,
                credits=10,
                kind=EntryKind.GOODWILL,
                key=f"{hold} {number}",
                reason="hello",
                operator="Grace",
                expires_at=now + timedelta(hours=ends) if ends else None,
            )
            for number, ends in enumerate((None, None, 1, 2))
        ]
        place = PlaceHold(hold_id=hold, user_id=user, credits=5, key=str(hold), lasts=timedelta(hours=1))
        assert {Done} == {type(outcome) for outcome in await service.execute([*grants, place])}
        whole = (await world.ledger.holdings(HoldingsQuery(hold_ids=frozenset({hold})))).wallets[user].grants

        async def found(spent: int | None = None) -> int:
            query = HoldingsQuery(
                user_ids=frozenset({user} if spent else ()),
                hold_ids=frozenset({hold}),
                taking={user: spent} if spent else {},
            )
            grants = (await world.ledger.holdings(query)).wallets[user].grants
            assert whole[: len(grants)] == grants
            return len(grants)

        assert [1, 2, 3, 4] == [await found(), *[await found(spent) for spent in (1, 11, 21)]]
        (captured,) = await service.execute([CaptureHold(hold_id=hold)])
        assert isinstance(captured, Done)
