"""One contract for reading an account page by page: memory, a direct Postgres connection, and Supabase's API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache
from adapters.tests.test_credits_explained_contract import Story, play
from domain.credits.explanation import AccountExplanation
from domain.credits.holds import HoldId
from domain.credits.records import AccountSums, RecordPlace
from domain.decisions.operations import CaptureHold, PlaceHold, VoidHold
from domain.payments.purchases import PurchaseId
from domain.usecases.read_account import AccountReader, UnknownUser
from domain.values.accounts import UserId


def reader(world: Any) -> AccountReader:
    return AccountReader(accounts=world.ledger, audit=world.audit, cache=MemoryQuotaCache())


async def hold(story: Story, credits: int, name: str) -> HoldId:  # noqa: A002 - the word for it
    hold_id = HoldId(str(uuid.uuid4()))
    await story.ask(
        PlaceHold(
            hold_id=hold_id,
            user_id=story.user_id,
            credits=credits,
            key=story.key(name),
            lasts=timedelta(hours=1),
            description=name,
        )
    )
    return hold_id


async def live(story: Story) -> None:
    """Three packs, one of them refunded, three gifts, spends, and holds of every kind."""
    await story.buy()
    for number in range(3):
        await story.give(10, f"gift {number}")
        await story.spend(4, f"poem {number}")
        held = await hold(story, 3, f"film {number}")
        await story.ask(CaptureHold(hold_id=held, credits=2) if number else VoidHold(hold_id=held))
    await story.buy(refunded=250)
    story.purchase_id = PurchaseId(f"pi_{uuid.uuid4().hex}")
    await story.buy(expires_at=datetime.now(UTC) + timedelta(days=30))
    await hold(story, 5, "open")
    await story.spend(30, "a novel")


async def pages(world: Any, user_id: UserId, limit: int) -> list[AccountExplanation]:
    """Every page, the newest first."""
    found = [await reader(world).explanation(user_id, limit=limit)]
    while (place := found[-1].following) is not None:
        found.append(await reader(world).explanation(user_id, place=place, limit=limit))
        assert len(found) <= 50
    return found


def versions(page: AccountExplanation) -> list[int]:
    of_purchases = [entry.version for purchase in page.purchases for entry in purchase.entries]
    return sorted([*of_purchases, *(entry.version for entry in page.others)])


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_add_up_to_the_account(open_world: Any, limit: int) -> None:
    """Each entry and hold is in one page, in order; what is told of a purchase or a grant is of the whole of it."""
    async with play(open_world) as story:
        await live(story)
        (whole,) = await pages(story.world, story.user_id, 200)
        found = await pages(story.world, story.user_id, limit)
        assert [*range(1, len(versions(whole)) + 1)] == [one for page in reversed(found) for one in versions(page)]
        assert [one.id for one in whole.holds] == [one.id for page in reversed(found) for one in page.holds]
        assert [] == [page for page in found if max(len(versions(page)), len(page.holds)) > limit]
        for page in found:
            assert whole.account == page.account
            for purchase in page.purchases:
                (same,) = [one for one in whole.purchases if one.id == purchase.id]
                assert attrs.evolve(same, entries=()) == attrs.evolve(purchase, entries=())
            for grant in page.grants:
                (known,) = [one for one in whole.grants if one.grant.id == grant.grant.id]
                assert attrs.evolve(known, puts=(), draws=()) == attrs.evolve(grant, puts=(), draws=())
        assert {one.id for one in whole.purchases} == {one.id for page in found for one in page.purchases}
        for known in whole.grants:
            shown = [one for page in reversed(found) for one in page.grants if one.grant.id == known.grant.id]
            assert list(known.puts) == [entry for one in shown for entry in one.puts]
            assert list(known.draws) == [draw for one in shown for draw in one.draws]
            assert known.drawn == sum(draw.credits for draw in known.draws)
            assert known.grant.credits == sum(entry.posting.amount for entry in known.puts)
        assert [50 - 25, 50] == [one.posted for one in whole.purchases]


async def test_what_can_be_spent_is_on_the_first_page(open_world: Any) -> None:
    """However long ago it was put there: the grants of which something remains are what the balance is made of."""
    async with play(open_world) as story:
        await live(story)
        page = await reader(story.world).explanation(story.user_id, limit=5)
        assert page.account is not None
        assert page.account.balance == sum(one.grant.remaining for one in page.grants)
        assert [5] == [one.credits for one in page.holds if one.is_open]


async def test_sums_are_of_all_entries(open_world: Any) -> None:
    """By purchases, by others, and what remains: they add up to the balance."""
    async with play(open_world) as story:
        await live(story)
        others = 3 * (10 - 4) - 2 * 2 - 30
        expected = AccountSums(by_purchases=75, by_others=others, remaining=75 + others)
        assert expected == await reader(story.world).sums(story.user_id)


async def test_a_place_that_there_is_not_is_no_error(open_world: Any) -> None:
    """A page after the last is empty; of nobody there is none."""
    async with play(open_world) as story:
        await story.give(10, "gift")
        beyond = RecordPlace(entry=1, hold=HoldId(str(uuid.uuid4())), purchase=PurchaseId("pi_none"))
        page = await reader(story.world).explanation(story.user_id, place=beyond, limit=5)
        assert ((), (), None) == (page.others, page.purchases, page.following)
        with pytest.raises(UnknownUser):
            await reader(story.world).explanation(UserId(str(uuid.uuid4())))
