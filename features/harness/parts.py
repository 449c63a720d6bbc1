"""The parts that survive a process, in memory: one world's storage and time."""

from collections.abc import Mapping
from typing import Any

import attrs

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.selling.charges import MemoryCharges
from features.harness.selling.cards import WorldCards
from features.harness.selling.catalogue import WorldCatalogue


@attrs.define(kw_only=True)
class Parts:
    """The storage and the time of one world."""

    clock: Any
    ledger: MemoryLedger
    cache: MemoryQuotaCache
    markers: MemorySessionMarkers
    payments: MemoryPayments
    charges: MemoryCharges
    cards: WorldCards
    provider: WorldCatalogue

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
            "charges": self.charges,
            "cards": self.cards,
            "customers": self.ledger.customers,
            "prices": self.ledger.prices,
            "provider": self.provider,
        }
