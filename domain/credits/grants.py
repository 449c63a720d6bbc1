"""Grants: credits added to an account, what remains of them, and the order in which they are spent."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NewType

import attrs

from domain.payments.purchases import PurchaseId

GrantId = NewType("GrantId", int)

PROMOTION_PRIORITY = 10
GOODWILL_PRIORITY = 20
SOLD_PRIORITY = 50
"""Purchased credits are spent after granted ones; within one priority, those that expire first are spent first."""


@attrs.frozen(kw_only=True)
class Draw:
    """Credits that an entry takes from a grant, or that a hold reserves on it."""

    grant_id: GrantId
    credits: int


@attrs.frozen(kw_only=True)
class Grant:
    """Credits added to an account at one time, for one reason."""

    id: GrantId
    kind: str
    """The kind of the entry that created it."""
    priority: int = SOLD_PRIORITY
    """The lowest is spent first."""
    credits: int
    """All credits that were ever added to it; entries have drawn those that do not remain."""
    remaining: int
    held: int = 0
    """Credits that open holds reserve on it; after a clawback this can exceed `remaining`."""
    expires_at: datetime | None = None
    purchase_id: PurchaseId | None = None
    period_ends_at: datetime | None = None
    """The end of the period that was paid for, if it comes from a subscription's invoice."""
    rollover_cap: int | None = None
    """The most credits that may roll over on the account in total when it expires; None if it does not roll over."""
    created_at: datetime

    @property
    def free(self) -> int:
        """Return the credits that no hold reserves."""
        return max(0, self.remaining - self.held)

    @property
    def is_live(self) -> bool:
        """Return whether any of it remains or is held."""
        return self.remaining > 0 or self.held > 0

    def has_expired(self, now: datetime) -> bool:
        """Return whether it has expired: it is usable before `expires_at`, not at it."""
        return self.expires_at is not None and self.expires_at <= now

    def is_usable(self, now: datetime) -> bool:
        """Return whether its unreserved credits can be spent: before its expiry, and later if they rolled over."""
        return self.rollover_cap is not None or not self.has_expired(now)


class BurnOrder(tuple[Grant, ...]):
    """Grants in spending order, as :func:`burn_order` returns them."""

    __slots__ = ()


def burn_order(grants: Iterable[Grant]) -> BurnOrder:
    """Return the grants in spending order: by priority, then soonest expiry, then oldest."""
    return grants if isinstance(grants, BurnOrder) else BurnOrder(sorted(grants, key=_place))


def _place(grant: Grant) -> tuple[int, bool, float, GrantId]:
    ends = grant.expires_at
    return grant.priority, ends is None, 0.0 if ends is None else ends.timestamp(), grant.id


def needed(grants: Iterable[Grant], wanted: int, now: datetime) -> BurnOrder:
    """Return the grants that decisions depend on which take at most that many credits from an account in all.

    Held and expired ones always count: a hold may be settled, and what is over expires. Of the others the first count,
    until those before cover what is wanted. The ledger applies the same rule (SQL: `accounts_read_for_spending`).
    """
    found, covered = [], 0
    for grant in burn_order(grants):
        has_expired = grant.has_expired(now)
        if grant.held > 0 or has_expired or covered < wanted:
            found.append(grant)
        # What has expired may expire before it is taken: it covers nothing.
        covered += 0 if has_expired else grant.free
    return BurnOrder(found)


def lapsing(grants: Iterable[Grant], now: datetime) -> Mapping[GrantId, int]:
    """Return what expires of each grant whose time is over: its unreserved credits without those that roll over.

    Grants roll over in the order of their periods, oldest first. Each keeps its unreserved credits as far as its cap
    has room beside what earlier ones keep, so it does not matter when or how often this is evaluated.
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
    """Return the draws of a clawback: all that remains of its own grants, then unreserved credits, then held ones.

    `purchase_ids` are the purchase's own id and those of purchases merged into it; among their grants, that of the
    period comes first. What no grant covers becomes debt. The ledger applies the same rule (SQL:
    `credence_debit_grants`).
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
