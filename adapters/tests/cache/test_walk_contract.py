"""The walk over changed accounts: each change is seen once, after it is committed, on each of the ledgers."""

import uuid
from datetime import timedelta
from typing import Any

from adapters.memory.cache import MemoryQuotaCache
from adapters.tests.written import buying, new_id
from domain.changes.walks import ChangedAccounts
from domain.credits.holds import HoldId
from domain.decisions.batches import Done
from domain.decisions.operations import CreditOperation, PlaceHold, VoidHold
from domain.usecases.refresh_cache import CacheRefresher
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId


async def next_page(world: Any, limit: int = 1000, *, lease_seconds: int = 60) -> ChangedAccounts | None:
    changed: ChangedAccounts | None = await world.walk.changed_accounts(limit, lease_seconds=lease_seconds)
    return changed


async def walked(world: Any, limit: int = 1000) -> list[ChangedAccounts]:
    """Walk to the end, and return the pages."""
    pages = []
    while (changed := await next_page(world, limit)) is not None:
        pages.append(changed)
        await world.walk.move_mark(changed)
    return pages


async def buyer(world: Any) -> UserId:
    """Return a new user who has bought something."""
    user: UserId = await world.sign_up(None)
    await buys(world, user)
    return user


async def buys(world: Any, user: UserId) -> None:
    await world.ledger.commit([buying(user, new_id("pi"))])


async def do(world: Any, operation: CreditOperation) -> None:
    service = CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache())
    (outcome,) = await service.execute([operation])
    assert isinstance(outcome, Done)


async def test_each_change_is_walked_once(open_world: Any) -> None:
    """An account comes once, as it is now, however often it changed."""
    async with open_world() as world:
        await walked(world)
        user = await buyer(world)
        await buys(world, user)
        (page,) = await walked(world)
        assert ((await world.ledger.account(user),), (), False) == (page.accounts, page.gone, page.is_everything)
        assert [] == await walked(world)


async def test_at_first_every_line_of_the_cache_is_compared(open_world: Any) -> None:
    """Nobody knows what it has: what is old is replaced, and what is nobody's removed."""
    async with open_world() as world:
        cache = MemoryQuotaCache()
        stale, gone = await buyer(world), await buyer(world)
        for user in (stale, gone):
            await cache.store(await world.ledger.account(user))
        await buys(world, stale)
        await world.leave(gone)
        assert await CacheRefresher(walk=world.walk, audit=world.audit, cache=cache).run_once()
        assert (100, None) == ((await cache.find(stale)).balance, await cache.find(gone))
        assert [] == await walked(world)


async def test_holds_repairs_and_departures_are_changes_too(open_world: Any) -> None:
    """Though none of them writes an entry."""
    async with open_world() as world:
        user, hold = await buyer(world), HoldId(str(uuid.uuid4()))
        await walked(world)
        placed = PlaceHold(hold_id=hold, user_id=user, credits=20, key=new_id("key"), lasts=timedelta(hours=1))
        for operation in (placed, VoidHold(hold_id=hold)):
            await do(world, operation)
            (page,) = await walked(world)
            assert (await world.ledger.account(user),) == page.accounts
        await world.leave(user)
        (page,) = await walked(world)
        assert ((), (user,)) == (page.accounts, page.gone)


async def test_one_walks_at_a_time_until_its_lease_is_over(open_world: Any) -> None:
    """Then another has the same accounts; who was late moves no mark back."""
    async with open_world() as world:
        await walked(world)
        user = await buyer(world)
        first = await next_page(world, lease_seconds=0)
        second = await next_page(world)
        assert first is not None
        assert second is not None
        assert (first.since, first.accounts) == (second.since, second.accounts)
        assert await next_page(world) is None
        await world.walk.move_mark(second)
        await buys(world, user)
        (third,) = await walked(world)
        await world.walk.move_mark(first)
        assert [] == await walked(world)
        assert user == third.accounts[0].user_id


async def test_many_changes_come_in_pages(open_world: Any) -> None:
    """Each account comes at last as it is, whatever changed between two pages."""
    async with open_world() as world:
        await walked(world)
        users = [await buyer(world) for _ in range(7)]
        first = await next_page(world, 3)
        assert first is not None
        await buys(world, users[0])
        await world.walk.move_mark(first)
        pages = [first, *await walked(world, 3)]
        assert 3 <= len(pages)
        assert {*users} == {account.user_id for page in pages for account in page.accounts}
        newest = {account.user_id: account for page in pages for account in page.accounts}
        assert [await world.ledger.account(user) for user in users] == [newest[user] for user in users]


async def test_how_far_the_walk_is_behind_is_shown(open_world: Any) -> None:
    """In seconds, of the oldest change that was left out; zero where there is none."""
    async with open_world() as world:
        await walked(world)
        assert 0 == (await world.backlogs.backlog()).cache_behind_seconds
        await buyer(world)
        await next_page(world)
        assert 0 <= (await world.backlogs.backlog()).cache_behind_seconds < 600
