"""Holds, over the ledger in memory: settled once, and free at their end whether or not anybody looks."""

from datetime import timedelta

import attrs
import pytest

from domain.credits.holds import HoldStatus
from domain.decisions.batches import Done, NotCommitted
from domain.decisions.operations import CaptureHold, CreditOperation, HoldAnswer, PlaceHold, VoidHold
from domain.decisions.spending import CaptureExceedsHold, HoldAlreadySettled
from domain.tests.examples import ADA, BOB
from domain.usecases.tests.shop import HOLD, NOW, give, hold, open_shop, spend
from domain.usecases.use_credits import MAX_ROUNDS


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
    """It is written before it is reported, once, with whatever else of the account is over."""
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
