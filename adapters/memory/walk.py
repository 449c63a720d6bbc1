"""The walk over changed accounts in memory, where transactions follow each other, so that a mark is a number."""

from datetime import datetime

from adapters.memory.accounts import MemoryAccounts
from domain.changes.walks import ChangedAccounts
from domain.ports.coordination import Clock
from domain.values.accounts import UserId


class MemoryWalk:
    """Implements the port AccountWalk in memory; each method is one indivisible step."""

    def __init__(self, accounts: MemoryAccounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._changes: list[tuple[UserId, datetime]] = []
        self._mark: int | None = None
        self._leased_until = 0.0

    def note(self, user_id: UserId) -> None:
        """Note that an account changed."""
        self._changes.append((user_id, self._clock.now()))

    def left(self) -> int:
        """Return the number of changes after the mark."""
        return len(self._changes) - (self._mark or 0)

    def behind_seconds(self) -> int:
        """Return the age of the oldest change after the mark; 0 if there is none."""
        left = self._changes[self._mark or 0 :]
        return int((self._clock.now() - left[0][1]).total_seconds()) if left else 0

    async def changed_accounts(self, limit: int, *, lease_seconds: int) -> ChangedAccounts | None:
        """Return the accounts of at most `limit` changes after the mark; None if there are none or others have them."""
        now = self._clock.now().timestamp()
        if now < self._leased_until or self._mark == len(self._changes):
            return None
        self._leased_until = now + lease_seconds
        if self._mark is None:
            return ChangedAccounts(since=None, until=str(len(self._changes)), is_everything=True)
        page = self._changes[self._mark : self._mark + limit]
        users = sorted({user_id for user_id, _ in page})
        return ChangedAccounts(
            since=str(self._mark),
            until=str(self._mark + len(page)),
            accounts=self._accounts.among(users),
            gone=tuple(user_id for user_id in users if user_id not in self._accounts),
        )

    async def move_mark(self, walked: ChangedAccounts) -> None:
        """Move the mark after these changes, unless it was moved meanwhile."""
        if walked.since == (None if self._mark is None else str(self._mark)):
            self._mark, self._leased_until = int(walked.until), 0.0
