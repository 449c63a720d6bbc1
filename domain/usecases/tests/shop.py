"""A shop that spends credits, over the ledger in memory: what its tests ask of it."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from adapters.memory.cache import MemoryQuotaCache
from adapters.memory.ledger import MemoryLedger
from domain.changes.changes import Change, CommitResult, Conflict
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.decisions.batches import Outcome
from domain.decisions.operations import CreditOperation, GrantCredits, PlaceHold, Spend
from domain.ports.ledger import LedgerUnavailable
from domain.tests.examples import ADA, BOB
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId

NOBODY = UserId("00000000-0000-0000-0000-0000000000ff")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOLD = HoldId(str(uuid.UUID(int=1)))


class StoppedClock:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


class CountingLedger(MemoryLedger):
    """The ledger in memory, with the sizes of what was committed, and conflicts made by rivals."""

    def __init__(self) -> None:
        super().__init__(StoppedClock())
        self.batches: list[int] = []
        self.conflicts = 0
        self.rival: Callable[[], Awaitable[object]] | None = None
        """What another process does before the next commit."""
        self.breaks = 0
        """Calls that get no answer, though they are done."""

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        self.batches.append(len(changes))
        if self.rival is not None:
            rival, self.rival = self.rival, None
            await rival()
        if self.conflicts:
            self.conflicts -= 1
            return tuple(Conflict("account") for _ in changes)
        results = await super().commit(changes)
        if self.breaks:
            self.breaks -= 1
            raise LedgerUnavailable("silent")
        return results


class Shop:
    """A service that Ada and Bob signed up for."""

    def __init__(self) -> None:
        self.ledger = CountingLedger()
        self.cache = MemoryQuotaCache()
        self.ledger.add_user(ADA)
        self.ledger.add_user(BOB)
        self.service = CreditService(ledger=self.ledger, wallets=self.ledger, cache=self.cache, notify_below=20)

    async def ask(self, *operations: CreditOperation, now: datetime = NOW) -> tuple[Outcome, ...]:
        return await self.service.execute(operations, now)

    async def balance(self, user: UserId = ADA) -> tuple[int, int]:
        account = await self.ledger.account(user)
        assert account is not None
        return account.balance, account.held


async def open_shop() -> Shop:
    """Return a shop where Ada was given 100 credits, and Bob has none."""
    shop = Shop()
    await shop.ask(give(100, key="welcome"))
    shop.ledger.batches.clear()
    return shop


def give(credits: int, *, key: str, kind: EntryKind = EntryKind.PROMOTION, user: UserId = ADA) -> GrantCredits:  # noqa: A002 - the word for it
    return GrantCredits(user_id=user, credits=credits, kind=kind, key=key, reason="thanks", operator="Grace")


def spend(credits: int, key: str, user: UserId = ADA, **more: object) -> Spend:  # noqa: A002 - the word for it
    return Spend(user_id=user, credits=credits, key=key, **more)


def hold(credits: int, key: str = "h") -> PlaceHold:  # noqa: A002 - the word for it
    return PlaceHold(hold_id=HOLD, user_id=ADA, credits=credits, key=key, lasts=timedelta(hours=1))
