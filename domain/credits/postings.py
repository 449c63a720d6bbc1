"""Turns a purchase into ledger entries.

Only the difference between what a purchase is worth and what is already posted for it is ever posted. So the entries of
a purchase sum to its entitlement, whatever reports it and however often.
"""

from collections.abc import Sequence
from datetime import datetime

import attrs

from domain.credits.clawbacks import NOTHING_CLAWED_BACK, ClawedBack, GrantName, returns_of
from domain.credits.idempotency import key_of_revision
from domain.credits.ledger import (
    RETURNED,
    EntryKind,
    ExpiredCredits,
    GrantEnd,
    Posted,
    PostedByPeriod,
    Posting,
    period_metadata,
)
from domain.payments.entitlements import GrantDue, grants_due
from domain.payments.purchases import Purchase, PurchaseId


@attrs.frozen(kw_only=True)
class PostingOrigin:
    """The origin that the entries of a purchase share."""

    stripe_session_id: str | None = None
    stripe_event_id: str | None = None
    event_at: datetime | None = None


def postings_due(
    purchase_id: PurchaseId,
    purchase: Purchase,
    posted: PostedByPeriod,
    *,
    revision: int,
    dues: Sequence[GrantDue] | None = None,
    origin: PostingOrigin = PostingOrigin(),
) -> tuple[Posting, ...]:
    """Return the postings that the purchase at `revision` still needs; none if the ledger is up to date.

    `dues` are what its grants should hold; by default, what the purchase alone implies. Credits posted to anyone but
    the purchase's owner are taken back. Expired credits are gone already, so they count first towards what a refund
    takes back.
    """
    wanted = {due.period_ends_at: due for due in (grants_due(purchase) if dues is None else dues)}
    owner = purchase.order.user_id if purchase.order is not None else None
    found: list[Posting] = []
    for period in sorted({*wanted, *posted}, key=_place):
        stands, due = posted.get(period, Posted()), wanted.get(period)
        worths = dict.fromkeys(stands.by_user, 0)
        if owner is not None:
            worths[owner] = due.credits if due is not None else 0
        standing = {user_id: _without_expired(worth, stands.expired.get(user_id)) for user_id, worth in worths.items()}
        found += [
            Posting(
                user_id=user_id,
                amount=amount,
                kind=_kind(difference, had_entries=user_id in stands.by_user),
                idempotency_key=key_of_revision(
                    purchase_id, revision, user_id if user_id != owner else None, period, returned_to=grant
                ),
                purchase_id=purchase_id,
                stripe_session_id=origin.stripe_session_id,
                stripe_event_id=origin.stripe_event_id,
                description=f"{purchase.order.plan_id} plan" if purchase.order else None,
                event_at=origin.event_at,
                expires_at=due.expires_at if due is not None and difference > 0 else None,
                rollover_cap=due.rollover_cap if due is not None and difference > 0 else None,
                metadata={**period_metadata(period), **({RETURNED: grant} if grant else {})},
            )
            for user_id, stands_due in sorted(standing.items())
            if (difference := stands_due - stands.by_user.get(user_id, 0)) != 0
            for amount, grant in _parts(difference, stands.clawed_back.get(user_id, NOTHING_CLAWED_BACK))
        ]
    return tuple(found)


def ends_due(
    purchase_id: PurchaseId, purchase: Purchase, posted: PostedByPeriod, dues: Sequence[GrantDue]
) -> tuple[GrantEnd, ...]:
    """Return new expiry times for the owner's existing grants, where they differ."""
    if purchase.order is None:
        return ()
    owner = purchase.order.user_id
    return tuple(
        GrantEnd(user_id=owner, purchase_id=purchase_id, period_ends_at=due.period_ends_at, expires_at=due.expires_at)
        for due in dues
        if due.period_ends_at in posted
        and owner in posted[due.period_ends_at].expires_at
        and posted[due.period_ends_at].expires_at[owner] != due.expires_at
    )


def _parts(difference: int, taken: ClawedBack) -> tuple[tuple[int, GrantName | None], ...]:
    """Return the amounts in which a difference is posted, each with the grant to which it returns."""
    if difference < 0:
        return ((difference, None),)
    return tuple((part.credits, part.grant) for part in returns_of(difference, taken))


def _place(period: datetime | None) -> float:
    return period.timestamp() if period is not None else 0.0


def _without_expired(worth: int, gone: ExpiredCredits | None) -> int:
    """Return what must be posted, apart from expiries, so that the account has credits of that worth."""
    return worth if gone is None else min(worth + gone.amount, max(gone.posted_before, worth))


def _kind(difference: int, *, had_entries: bool) -> EntryKind:
    if difference < 0:
        return EntryKind.CLAWBACK
    return EntryKind.REINSTATEMENT if had_entries else EntryKind.PURCHASE
