"""Read a hold's current state."""

import attrs

from domain.changes.changes import HoldingsQuery
from domain.credits.holds import Hold, HoldId
from domain.ports.ledger import Wallets


@attrs.frozen
class UnknownHold(Exception):
    """There is no such hold."""

    hold_id: str


@attrs.frozen(kw_only=True)
class HoldReader:
    """Reads holds from the ledger."""

    wallets: Wallets

    async def hold(self, hold_id: HoldId) -> Hold:
        """Return the hold.

        :raises UnknownHold: if there is none with that id.
        :raises LedgerUnavailable: if the ledger could not be reached.
        """
        found = await self.wallets.holdings(HoldingsQuery(hold_ids=frozenset({hold_id}), taking={}))
        if hold_id not in found.holds:
            raise UnknownHold(hold_id)
        return found.holds[hold_id]
