"""The parts that survive a process, in memory: one world's storage and time."""

from collections.abc import Mapping
from typing import Any

import attrs

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments


@attrs.define(kw_only=True)
class Parts:
    """The storage and the time of one world."""

    clock: Any
    ledger: MemoryLedger
    cache: MemoryQuotaCache
    markers: MemorySessionMarkers
    payments: MemoryPayments

    @property
    def ports(self) -> Mapping[str, Any]:
        """Return the objects that answer calls, by the port's name."""
        return {
            "ledger": self.ledger,
            "wallets": self.ledger,
            "audit": self.ledger.audit,
            "walk": self.ledger.walk,
            "inbox": self.ledger.inbox,
            "outbox": self.ledger.outbox,
            "cache": self.cache,
            "markers": self.markers,
            "payments": self.payments,
            "invoices": self.payments,
            "history": self.payments,
        }
