"""One contract for reading every ledger's past: memory, a direct Postgres connection, and Supabase's API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.memory.cache import MemoryQuotaCache
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryFilter, EntryKind
from domain.decisions.operations import CaptureHold, GrantCredits, PlaceHold, Spend
from domain.usecases.use_credits import CreditService
from domain.values.accounts import HistoricalBalance


async def lived(world: Any) -> Any:
    """A user who was given 100, had 60 set aside, and then captured 25 of them."""
    user = await world.sign_up(None)
    service = CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache())
    hold, now = HoldId(str(uuid.uuid4())), datetime.now(UTC)
    gift = GrantCredits(
        user_id=user, credits=100, kind=EntryKind.PROMOTION, key=f"g {hold}", reason="hello", operator="Grace"
    )
    held = PlaceHold(hold_id=hold, user_id=user, credits=60, key=f"h {hold}", lasts=timedelta(hours=1))
    for operation in (
        gift,
        Spend(user_id=user, credits=5, key=f"s {hold}"),
        held,
        CaptureHold(hold_id=hold, credits=25),
    ):
        await service.execute([operation], now)
    return user


async def test_a_balance_of_a_moment_is_known(open_world: Any) -> None:
    """After each entry, and nothing before the first; what was held is held no more."""
    async with open_world() as world:
        user = await lived(world)
        entries = await world.ledger.entries(user, before_version=None, limit=10)
        captured, spent, given = entries
        assert HistoricalBalance(balance=70, held=0) == await world.ledger.balance_at(user, datetime.now(UTC))
        assert HistoricalBalance(balance=95, held=0) == await world.ledger.balance_at(user, spent.created_at)
        assert HistoricalBalance(balance=100, held=0) == await world.ledger.balance_at(user, given.created_at)
        before = given.created_at - timedelta(microseconds=1)
        assert HistoricalBalance(balance=0, held=0) == await world.ledger.balance_at(user, before)
        meanwhile = await world.ledger.balance_at(user, captured.created_at - timedelta(microseconds=1))
        assert 95 == meanwhile.balance
        assert meanwhile.held in {0, 60}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({EntryKind.SPEND}, [EntryKind.SPEND]),
        ({EntryKind.CAPTURE, EntryKind.PROMOTION}, [EntryKind.CAPTURE, EntryKind.PROMOTION]),
        ({EntryKind.PURCHASE}, []),
        (set(), [EntryKind.CAPTURE, EntryKind.SPEND, EntryKind.PROMOTION]),
    ],
)
async def test_entries_are_read_by_kind(open_world: Any, kinds: set[EntryKind], expected: list[EntryKind]) -> None:
    """Newest first; no kind named is every kind."""
    async with open_world() as world:
        user = await lived(world)
        wanted = EntryFilter(kinds=frozenset(kinds))
        found = await world.ledger.entries(user, before_version=None, limit=10, wanted=wanted)
        assert expected == [entry.posting.kind for entry in found]
        assert found == tuple(entry for entry in found if wanted.admits(entry))


async def test_entries_are_read_by_time(open_world: Any) -> None:
    """From a moment on, and up to but not at another."""
    async with open_world() as world:
        user = await lived(world)
        _, spent, given = await world.ledger.entries(user, before_version=None, limit=10)
        wanted = EntryFilter(since=given.created_at, until=spent.created_at)
        found = await world.ledger.entries(user, before_version=None, limit=10, wanted=wanted)
        assert [given.version] == [entry.version for entry in found]
        limited = await world.ledger.entries(
            user, before_version=spent.version, limit=1, wanted=EntryFilter(since=given.created_at)
        )
        assert [given.version] == [entry.version for entry in limited]
