"""Monitor the service: its readiness, and how much work is pending."""

import attrs

from domain.changes.changes import SnapshotQuery
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.inbox import Backlogs
from domain.ports.ledger import Ledger, LedgerUnavailable
from domain.upkeep.consistency import Backlog
from domain.values.accounts import UserId

_NOBODY = UserId("00000000-0000-0000-0000-000000000000")


@attrs.frozen(kw_only=True)
class Readiness:
    """Which dependencies answer. Without the cache the service is slower but ready."""

    ledger: bool
    cache: bool


@attrs.frozen(kw_only=True)
class Monitor:
    """Reports the service's state to probes and metrics."""

    ledger: Ledger
    cache: QuotaCache
    backlogs: Backlogs

    async def readiness(self) -> Readiness:
        """Return which of the ledger and the cache answer now."""
        return Readiness(ledger=await self._ledger_answers(), cache=await self._cache_answers())

    async def backlog(self) -> Backlog:
        """Return how many events and messages are pending.

        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        return await self.backlogs.backlog()

    async def _ledger_answers(self) -> bool:
        try:
            await self.ledger.read(SnapshotQuery())
        except LedgerUnavailable:
            return False
        return True

    async def _cache_answers(self) -> bool:
        try:
            await self.cache.find(_NOBODY)
        except CacheUnavailable:
            return False
        return True
