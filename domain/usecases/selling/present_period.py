"""The present period of a subscription's item: what billed it last, and whether that allows a change at once.

The provider's latest invoice decides, since the ledger may not know it yet.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

import attrs

from domain.payments.invoices import Line
from domain.payments.line_terms import MadePrice
from domain.payments.reports import Price
from domain.payments.subscription_changes import ProviderSubscription, SubscribedItem
from domain.usecases.selling.read_subscriptions import PaymentDue


@attrs.frozen
class PriceNotBilled(Exception):
    """The item has another price than the one at which its present period was billed last.

    So it is after a change from the next period on. Unused time would be given back at the new price.
    """


@attrs.frozen
class PresentPeriod:
    """The prices at which an item's present period was billed last; both are empty if no invoice of it is known."""

    price_ids: frozenset[str | None]
    unit_amounts: frozenset[Fraction]
    """The known ones among their unit amounts."""
    made: tuple[MadePrice, ...] = ()
    """Those of the prices that Credence made."""

    def check_change_at_once(self, item: SubscribedItem, found: ProviderSubscription) -> None:
        """Check that unused time can be given back as it was paid for.

        :raises PaymentDue: if the latest invoice is not paid.
        :raises PriceNotBilled: if the item's price is not one that was billed.
        """
        if found.owes:
            raise PaymentDue
        is_as_billed = item.price.id in self.price_ids or item.price.unit_amount in self.unit_amounts
        if self.price_ids and not is_as_billed:
            raise PriceNotBilled


def present_period(
    item: SubscribedItem, found: ProviderSubscription, recorded: Iterable[Line] = (), made: Sequence[MadePrice] = ()
) -> PresentPeriod:
    """Return the prices that billed the item's present period last: by the latest invoice, otherwise as recorded.

    Prorations may not name their item; then they are of the only one.
    """
    ends_at = found.state.period_ends_at
    names = {item.id, None} if len(found.items) == 1 else {item.id}
    lines = list(recorded)
    amounts = {line.price_id: Fraction(line.unit_amount) for line in lines}
    amounts |= {price.id: Fraction(price.unit_amount) for price in made}
    billed = [
        (line.starts_at, line.price)
        for line in (found.billed.lines if found.billed else ())
        if line.is_subscription and not line.gives_back and line.subscription_item in names and line.ends_at == ends_at
    ] or [
        (line.starts_at, Price(id=line.price_id, unit_amount=Fraction(line.unit_amount)))
        for line in lines
        if len(found.items) == 1 and line.subscription_item in names and line.ends_at == ends_at
    ]
    last = _last(billed)
    units = (
        item.price.unit_amount if price.id == item.price.id else amounts.get(price.id, price.unit_amount)
        for price in last
    )
    return PresentPeriod(
        price_ids=frozenset(price.id for price in last),
        unit_amounts=frozenset(unit for unit in units if unit is not None),
        made=tuple(one for one in made if any(price.id == one.id for price in last)),
    )


def _last(billed: list[tuple[datetime, Price]]) -> list[Price]:
    newest = max((starts_at for starts_at, _ in billed), default=None)
    return [price for starts_at, price in billed if starts_at == newest]
