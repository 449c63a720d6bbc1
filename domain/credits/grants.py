"""Grants: credits put on an account, with what remains of them, and the order in which they burn."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NewType

import attrs

from domain.payments.purchases import PurchaseId

GrantId = NewType("GrantId", int)

PROMOTION_PRIORITY = 10
GOODWILL_PRIORITY = 20
SOLD_PRIORITY = 50
"""What was paid for burns after what was given; within one priority the soonest expiry burns first."""


@attrs.frozen(kw_only=True)
class Draw:
    """Credits that an entry takes from a grant, or that a hold reserves of it."""

    grant_id: GrantId
    credits: int


@attrs.frozen(kw_only=True)
class Grant:
    """Credits put on an account at one time, for one reason."""

    id: GrantId
    kind: str
    """The kind of the entry that made it."""
    priority: int = SOLD_PRIORITY
    """The lowest burns first."""
    credits: int
    """All that was ever put into it; what is no more was drawn by entries."""
    remaining: int
    held: int = 0
    """Credits that open holds reserve of it; more than remain, after a clawback."""
    expires_at: datetime | None = None
    purchase_id: PurchaseId | None = None
    period_ends_at: datetime | None = None
    """The end of the period that was paid for, where it is of a subscription's invoice."""
    rollover_cap: int | None = None
    """Where it rolls over when its time is over: the most credits that may do so on the account in all."""
    created_at: datetime

    @property
    def free(self) -> int:
        """Return credits of it that no hold reserves."""
        return max(0, self.remaining - self.held)

    @property
    def is_live(self) -> bool:
        """Return whether there is anything of it, to be spent or held."""
        return self.remaining > 0 or self.held > 0

    def has_expired(self, now: datetime) -> bool:
        """Return whether its time is over: it is good before its expiry, not at it."""
        return self.expires_at is not None and self.expires_at <= now

    def is_usable(self, now: datetime) -> bool:
        """Return whether what is free of it can be spent: before its expiry, and after it what has rolled over."""
        return self.rollover_cap is not None or not self.has_expired(now)


class BurnOrder(tuple[Grant, ...]):
    """Grants in the order in which they burn, as :func:`burn_order` makes it."""

    __slots__ = ()


def burn_order(grants: Iterable[Grant]) -> BurnOrder:
    """Return the grants in the order in which they burn: by priority, then soonest expiry, then oldest."""
    return grants if isinstance(grants, BurnOrder) else BurnOrder(sorted(grants, key=_place))


def _place(grant: Grant) -> tuple[int, bool, float, GrantId]:
    ends = grant.expires_at
    return grant.priority, ends is None, 0.0 if ends is None else ends.timestamp(), grant.id


def lapsing(grants: Iterable[Grant], now: datetime) -> Mapping[GrantId, int]:
    """Return what expires of each grant whose time is over: what is free of it, but for what rolls over.

    Of grants that roll over, the oldest period's come first; each keeps what is free of it, as far as its cap has room
    beside what those before it keep. So it does not matter when, or how often, this is looked at.
    """
    over = [grant for grant in grants if grant.has_expired(now)]
    expiring = {grant.id: grant.free for grant in over if grant.rollover_cap is None}
    kept = 0
    for grant in sorted((grant for grant in over if grant.rollover_cap is not None), key=_age):
        stays = min(grant.free, max((grant.rollover_cap or 0) - kept, 0))
        kept += stays
        expiring[grant.id] = grant.free - stays
    return {grant_id: unspent for grant_id, unspent in expiring.items() if unspent > 0}


def _age(grant: Grant) -> tuple[float, str, GrantId]:
    period = grant.period_ends_at
    return 0.0 if period is None else period.timestamp(), grant.purchase_id or "", grant.id


def draws_of_clawback(
    grants: Iterable[Grant], amount: int, purchase_ids: frozenset[PurchaseId], period_ends_at: datetime | None = None
) -> tuple[Draw, ...]:
    """Return what a clawback takes: of its own grants all that remains, of others what is free, then what is held.

    `purchase_ids` are the purchase's own and those of purchases that were merged into it; of these the grant of the
    period comes first. What is not there is debt.
    """
    ordered = burn_order(grants)
    own = [grant for grant in ordered if grant.purchase_id in purchase_ids]
    own.sort(key=lambda grant: grant.period_ends_at != period_ends_at)
    others = [grant for grant in ordered if grant.purchase_id not in purchase_ids]
    taken: dict[GrantId, int] = {}
    steps = [(grant, grant.remaining) for grant in own]
    steps += [(grant, grant.free) for grant in others]
    steps += [(grant, grant.remaining - grant.free) for grant in others]
    for grant, there in steps:
        part = min(there, amount)
        amount -= part
        taken[grant.id] = taken.get(grant.id, 0) + part
    return tuple(Draw(grant_id=grant_id, credits=part) for grant_id, part in taken.items() if part > 0)
