"""The prices that a ledger in memory keeps: those that checkouts made, and those that were pushed."""

from collections.abc import Iterable

import attrs

from domain.payments.line_terms import MadePrice
from domain.values.prices import PushedPrice


class MemoryPriceBook:
    """Implements the port PriceBook in memory; each method is one indivisible step."""

    def __init__(self) -> None:
        self._made: dict[str, MadePrice] = {}
        self._pushed: dict[str, PushedPrice] = {}

    def keep_made(self, price: MadePrice) -> None:
        """Keep a price for good; one that is known stays as it is."""
        self._made.setdefault(price.id, price)

    def made(self, ids: Iterable[str]) -> tuple[MadePrice, ...]:
        """Return those of the prices that are kept, by their ids."""
        return tuple(self._made[id_] for id_ in sorted(ids) if id_ in self._made)

    async def pushed(self) -> tuple[PushedPrice, ...]:
        """Return every pushed price, by its id."""
        return tuple(self._pushed[id_] for id_ in sorted(self._pushed))

    async def for_sale(self, plan_id: str) -> tuple[PushedPrice, ...]:
        """Return the plan's pushed prices that are for sale, by their ids."""
        return tuple(one for one in await self.pushed() if one.is_for_sale and one.sells.plan_id == plan_id)

    async def record(self, price: PushedPrice) -> None:
        """Record a price, or whether a recorded one is for sale."""
        sells, known = price.sells, self._pushed.get(price.id)
        if known is not None:
            self._pushed[price.id] = attrs.evolve(known, is_for_sale=price.is_for_sale)
            return
        if price.id in self._made:
            return
        self._pushed[price.id] = price
        self.keep_made(
            MadePrice(
                id=price.id,
                plan_id=sells.plan_id,
                credits=sells.credits,
                unit_amount=str(sells.money.amount),
                currency=sells.money.currency,
                interval=sells.interval,
                interval_count=sells.interval_count,
            )
        )
