"""Monitor the service: its readiness, and how much work is pending."""

import enum

import attrs

from domain.changes.changes import Change, SnapshotQuery
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.inbox import Backlogs
from domain.ports.ledger import Ledger, LedgerBusy, LedgerUnavailable
from domain.upkeep.consistency import Backlog
from domain.values.accounts import UserId


class LedgerState(enum.StrEnum):
    """The current state of the ledger."""

    OK = "ok"
    TAKES_NO_WRITES = "takes no writes"
    UNAVAILABLE = "unavailable"


_NOBODY = UserId("00000000-0000-0000-0000-000000000000")


@attrs.frozen(kw_only=True)
class Readiness:
    """The state of the dependencies. Without the cache the service is slower but ready."""

    ledger: LedgerState
    cache: bool

    @property
    def is_ready(self) -> bool:
        """Return whether payments can be recorded."""
        return self.ledger is LedgerState.OK


@attrs.frozen(kw_only=True)
class Monitor:
    """Reports the service's state to probes and metrics."""

    ledger: Ledger
    cache: QuotaCache
    backlogs: Backlogs

    async def readiness(self) -> Readiness:
        """Return whether the ledger writes and the cache answers now."""
        return Readiness(ledger=await self._ledger_state(), cache=await self.is_cache_used())

    async def backlog(self) -> Backlog:
        """Return how many events and messages are pending.

        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        return await self.backlogs.backlog()

    async def is_cache_used(self) -> bool:
        """Return whether the cache answers."""
        try:
            await self.cache.find(_NOBODY)
        except CacheUnavailable:
            return False
        return True

    async def _ledger_state(self) -> LedgerState:
        try:
            await self.ledger.commit([Change()])
        except LedgerBusy:
            return LedgerState.OK
        except LedgerUnavailable:
            return LedgerState.TAKES_NO_WRITES if await self._ledger_reads() else LedgerState.UNAVAILABLE
        return LedgerState.OK

    async def _ledger_reads(self) -> bool:
        try:
            await self.ledger.read(SnapshotQuery())
        except LedgerUnavailable:
            return False
        return True
