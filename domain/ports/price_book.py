"""The ledger's record of the prices that were pushed to the payment provider."""

from typing import Protocol

from domain.values.prices import PushedPrice


class PriceBook(Protocol):
    """Every price that was ever pushed. Each method raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def pushed(self) -> tuple[PushedPrice, ...]:
        """Return every pushed price, by its id."""
        ...

    async def for_sale(self, plan_id: str) -> tuple[PushedPrice, ...]:
        """Return the plan's pushed prices that new checkouts may use, by their ids."""
        ...

    async def record(self, price: PushedPrice) -> None:
        """Record a price, or whether a recorded one is for sale; its terms never change."""
        ...
