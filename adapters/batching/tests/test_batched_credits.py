"""Spends of one account at the same moment are decided together, and never take more than there is."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest

from adapters.batching.batched_credits import OPERATIONS, BatchedCreditService
from adapters.batching.limits import Limits
from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.ledger import MemoryLedger
from adapters.system.clock import SystemClock
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done, NotCommitted, Outcome
from domain.decisions.operations import CreditOperation, GrantCredits, Spend
from domain.ports.ledger import LedgerBusy, LedgerRefused
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId


class World:
    """Credits on the ledger in memory."""

    def __init__(self, *, refuses: str = "", limits: Limits = OPERATIONS) -> None:
        self.ledger = MemoryLedger(SystemClock())
        self.service = CountingService(
            ledger=self.ledger, wallets=self.ledger, cache=MemoryQuotaCache(), batches=[], refuses=refuses
        )
        self.begun: list[int] = []
        begin = lambda: self.begun.append(len(self.service.batches))  # noqa: E731 - noted before each batch
        self.credits = BatchedCreditService(self.service, limits=limits, begin=begin)

    async def user_with(self, given: int) -> UserId:
        user = UserId(str(uuid.uuid4()))
        self.ledger.add_user(user, None)
        gift = GrantCredits(
            user_id=user, credits=given, kind=EntryKind.PROMOTION, key=f"give {user}", reason="test", operator="ada"
        )
        assert isinstance(await self.credits.execute(gift), Done)
        return user

    async def balance(self, user: UserId) -> int:
        account = await self.ledger.account(user)
        assert account is not None
        return account.balance


@attrs.frozen(kw_only=True)
class CountingService(CreditService):
    """A desk that lets others go on before each batch, notes its size, and chokes on one description."""

    batches: list[int]
    refuses: str

    async def execute(
        self, operations: Sequence[CreditOperation], now: datetime | None = None, **fields: Any
    ) -> tuple[Outcome, ...]:
        self.batches.append(len(operations))
        await asyncio.sleep(0)
        if any(isinstance(operation, Spend) and operation.description == self.refuses for operation in operations):
            raise LedgerRefused("22P05", is_final=True)
        return await CreditService.execute(self, operations, now, **fields)


def spend(user: UserId, number: int, description: str | None = None) -> Spend:
    return Spend(user_id=user, credits=1, key=f"{user} {number}", description=description)


async def test_a_hot_account_is_decided_in_few_batches_and_never_overdrawn() -> None:
    """Of 300 spends at once of an account with 200 credits 200 are done, in a handful of batches."""
    world = World()
    user = await world.user_with(200)
    outcomes = await asyncio.gather(*(world.credits.execute(spend(user, n)) for n in range(300)))
    assert 200 == sum(isinstance(outcome, Done) for outcome in outcomes)
    assert 0 == await world.balance(user)
    assert len(world.service.batches) <= 5
    again = await asyncio.gather(*(world.credits.execute(spend(user, n)) for n in range(300)))
    done = [after for before, after in zip(outcomes, again, strict=True) if isinstance(before, Done)]
    assert [True] * 200 == [isinstance(after, Done) and after.repeated for after in done]
    assert 0 == await world.balance(user)
    await world.credits.aclose()


async def test_an_operation_that_the_ledger_chokes_on_fails_alone() -> None:
    """The others of its batch are done, once."""
    world = World(refuses="bad")
    user = await world.user_with(200)
    spends = [spend(user, n, "bad" if n == 7 else None) for n in range(50)]
    outcomes = await asyncio.gather(*(world.credits.execute(one) for one in spends))
    assert isinstance(outcomes[7], NotCommitted)
    assert 49 == sum(isinstance(outcome, Done) for outcome in outcomes)
    assert 200 - 49 == await world.balance(user)
    await world.credits.aclose()


async def test_too_many_at_once_are_reported_to_come_back() -> None:
    """What finds no place is refused before anything of it is done."""
    world = World(limits=Limits(calls=1, waiting=10))
    user = await world.user_with(200)
    outcomes = await asyncio.gather(*(world.credits.execute(spend(user, n)) for n in range(50)), return_exceptions=True)
    busy = sum(isinstance(outcome, LedgerBusy) for outcome in outcomes)
    assert 40 == busy
    assert 200 - 10 == await world.balance(user)
    await world.credits.aclose()
    with pytest.raises(LedgerBusy):
        await world.credits.execute(spend(user, 99))


async def test_each_batch_has_its_own_budget_for_the_cache() -> None:
    """It begins before the batch does, once for all that the batch waits for."""
    world = World()
    for _ in range(3):
        await world.user_with(5)
    assert [*range(len(world.service.batches))] == world.begun
