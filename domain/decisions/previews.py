"""Says what a decision that is not committed would do to an account's credits, grant by grant."""

from collections.abc import Iterator
from datetime import datetime

import attrs

from domain.changes.changes import Change, Snapshot
from domain.credits.ledger import Posting, period_of
from domain.payments.purchases import Purchase, PurchaseId
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class GrantPreview:
    """One grant that would change: `credits` is signed, 0 if only its expiry changes."""

    plan_id: str | None
    period_ends_at: datetime | None
    credits: int
    expires_at: datetime | None
    """When its unspent credits would expire; None if they would not."""


@attrs.frozen(kw_only=True)
class CreditsPreview:
    """The change of an account's credits."""

    credits: int
    """The sum of the grants' changes, and of what other grants lose to pay for them."""
    balance: int
    """The balance afterwards, if nothing else happens; below zero is debt."""
    grants: tuple[GrantPreview, ...] = ()
    """The grants that change, those that lose credits first."""


GrantKey = tuple[PurchaseId | None, datetime | None]


def preview_credits(change: Change, snapshot: Snapshot, user_id: UserId, *, balance: int) -> CreditsPreview:
    """Return what a change that was decided on the snapshot would do to the user's credits."""
    sums: dict[GrantKey, int] = {}
    ends: dict[GrantKey, datetime | None] = {}
    for posting in _postings_of(change, user_id):
        key = (posting.purchase_id, period_of(posting))
        sums[key] = sums.get(key, 0) + posting.amount
        if posting.amount > 0:
            ends[key] = posting.expires_at
    for end in change.ends:
        if end.user_id == user_id:
            ends[end.purchase_id, end.period_ends_at] = end.expires_at
    keys = {*sums, *ends}
    grants = [
        GrantPreview(
            plan_id=_plan_of(key, change, snapshot),
            period_ends_at=key[1],
            credits=sums.get(key, 0),
            expires_at=ends[key] if key in ends else _expiry(key, snapshot, user_id),
        )
        for key in keys
    ]
    grants.sort(key=lambda one: (one.credits, one.period_ends_at.timestamp() if one.period_ends_at else 0.0))
    total = sum(sums.values())
    return CreditsPreview(credits=total, balance=balance + total, grants=tuple(grants))


def _postings_of(change: Change, user_id: UserId) -> Iterator[Posting]:
    return (posting for posting in change.postings if posting.user_id == user_id)


def _plan_of(key: GrantKey, change: Change, snapshot: Snapshot) -> str | None:
    """Return the plan of a grant: that of the largest line of its period."""
    purchase_id, period = key
    revised = (change.revision, *change.others)
    known: dict[PurchaseId, Purchase] = {row.id: row.purchase for row in (*snapshot.purchases, *snapshot.family)}
    known |= {revision.id: revision.purchase for revision in revised if revision is not None}
    purchase = known.get(purchase_id) if purchase_id is not None else None
    if purchase is None:
        return None
    lines = [line for line in purchase.bill.lines if line.ends_at == period] if purchase.bill else []
    if lines:
        return max(lines, key=lambda line: (line.amount, line.id)).plan_id
    return purchase.order.plan_id if purchase.order else None


def _expiry(key: GrantKey, snapshot: Snapshot, user_id: UserId) -> datetime | None:
    rows = (row for row in (*snapshot.purchases, *snapshot.family) if row.id == key[0])
    posted = next((row.posted.get(key[1]) for row in rows), None)
    return posted.expires_at.get(user_id) if posted is not None else None
