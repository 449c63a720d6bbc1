"""Two processes that want one account for as long as both like: neither keeps the other from it."""

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime, timedelta

from adapters.batching.batched_credits import BatchedCreditService
from adapters.memory.cache import MemoryQuotaCache
from adapters.redis.account_locks import RedisAccountLocks
from adapters.redis.client import connect
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.tests.examples import ledger_keys
from adapters.tests.conftest import Opener, World
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done
from domain.decisions.operations import (
    CaptureHold,
    CreditOperation,
    EntryAnswer,
    GrantCredits,
    HoldAnswer,
    PlaceHold,
    Spend,
)
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId

CALLERS = 64
LAPS = 6


class Process:
    """What one process has of its own."""

    def __init__(self, world: World, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._credits = BatchedCreditService(
            CreditService(
                ledger=world.ledger,
                wallets=world.ledger,
                cache=RedisQuotaCache(self._redis, ledger_keys()),
                locks=RedisAccountLocks(self._redis, ledger_keys()),
            )
        )

    async def do(self, operation: CreditOperation) -> EntryAnswer | HoldAnswer:
        outcome = await self._credits.execute(operation)
        assert isinstance(outcome, Done), outcome
        return outcome.answer

    async def aclose(self) -> None:
        await self._credits.aclose()
        await self._redis.aclose()


async def sign_up(world: World, credits: int) -> UserId:  # noqa: A002 - the word for it
    user = await world.sign_up(None)
    gift = GrantCredits(
        user_id=user, credits=credits, kind=EntryKind.GOODWILL, key=f"g {user}", reason="hello", operator="Grace"
    )
    await CreditService(ledger=world.ledger, wallets=world.ledger, cache=MemoryQuotaCache()).execute(
        [gift], datetime.now(UTC)
    )
    return user


async def test_a_crowd_that_never_ends_keeps_nobody_from_the_account(open_world: Opener, redis_url: str) -> None:
    """A lone caller of another process spends, holds and captures beside it; no caller of either is sent away."""
    async with (
        open_world() as world,
        contextlib.aclosing(Process(world, redis_url)) as crowded,
        contextlib.aclosing(Process(world, redis_url)) as lone,
    ):
        user = await sign_up(world, 1_000_000)
        has_done = asyncio.Event()
        spent = 0

        async def keep_spending() -> None:
            nonlocal spent
            while not has_done.is_set():
                await crowded.do(Spend(user_id=user, credits=1, key=uuid.uuid4().hex))
                spent += 1

        async def go_between() -> None:
            nonlocal spent
            try:
                for _ in range(LAPS):
                    await lone.do(Spend(user_id=user, credits=1, key=uuid.uuid4().hex))
                    hold = HoldId(str(uuid.uuid4()))
                    lasts = timedelta(hours=1)
                    await lone.do(PlaceHold(hold_id=hold, user_id=user, credits=2, key=str(hold), lasts=lasts))
                    await lone.do(CaptureHold(hold_id=hold))
                    spent += 3
            finally:
                has_done.set()

        await asyncio.gather(go_between(), *(keep_spending() for _ in range(CALLERS)))
        assert spent > 3 * LAPS + CALLERS, "the crowd went on all the while"
        account = await world.ledger.account(user)
        assert account is not None
        assert (1_000_000 - spent, 0) == (account.balance, account.held)
        assert [] == [one for one in await world.audit.inconsistencies() if one.user_id == user]
