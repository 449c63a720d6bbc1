"""The prices that were pushed, by their SQL functions, over either transport."""

import msgspec

from adapters.postgres.rpc import Rpc
from domain.values.prices import PushedPrice


class SqlPriceBook:
    """Implements the port PriceBook by calls of SQL functions."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def pushed(self) -> tuple[PushedPrice, ...]:
        """Return every pushed price, by its id."""
        return await self._read(None)

    async def for_sale(self, plan_id: str) -> tuple[PushedPrice, ...]:
        """Return the plan's pushed prices that are for sale, by their ids."""
        return await self._read(plan_id)

    async def record(self, price: PushedPrice) -> None:
        """Record a price, or whether a recorded one is for sale."""
        await self._rpc.value("stripe_prices_record", {"price": msgspec.to_builtins(price)})

    async def _read(self, plan_id: str | None) -> tuple[PushedPrice, ...]:
        found = await self._rpc.value("stripe_prices_pushed", {"sold_plan_id": plan_id})
        return msgspec.convert(found, tuple[PushedPrice, ...])
