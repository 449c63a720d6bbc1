"""Values a subscription's invoices together: one of them may change the worth and expiry of others."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from domain.changes.changes import PurchaseRevision, RecordedPurchase
from domain.credits.clawbacks import NOTHING_CLAWED_BACK, ClawedBack
from domain.credits.ledger import ExpiredCredits, GrantEnd, Posted, PostedByPeriod, Posting
from domain.credits.postings import PostingOrigin, ends_due, postings_due
from domain.payments.entitlements import GrantDue, grants_due
from domain.payments.periods import periods_of
from domain.payments.subscriptions import SubscriptionState
from domain.payments.unused_time import unused_parts
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Family:
    """The recorded invoices of one subscription, and its status; empty for a one-time purchase."""

    members: tuple[RecordedPurchase, ...] = ()
    state: SubscriptionState | None = None
    since: datetime | None = None
    """Grants whose periods ended before this are left unchanged, since not all invoices behind them were read."""


@attrs.frozen(kw_only=True)
class FamilySettlement:
    """The changes that bring the ledger in line with a family."""

    revisions: tuple[PurchaseRevision, ...] = ()
    """The members whose credits change."""
    postings: tuple[Posting, ...] = ()
    ends: tuple[GrantEnd, ...] = ()


def settle_family(
    family: Family, origin: PostingOrigin, *, changed: tuple[RecordedPurchase, ...] = ()
) -> FamilySettlement:
    """Return the postings and purchases that follow from a changed purchase, for it and the others of its subscription.

    The first of `changed` is the purchase with its new state; the others were merged into it.
    """
    revisions: list[PurchaseRevision] = []
    postings: list[Posting] = []
    ends: list[GrantEnd] = []
    everything = [row.purchase for row in (*changed[:1], *family.members)]
    unused, periods = unused_parts(everything), periods_of(everything)
    for place, row in enumerate((*changed[:1], *family.members)):
        is_changed = place < len(changed[:1])
        posted = _posted_together(changed) if is_changed else row.posted
        dues = grants_due(row.purchase, (), family.state, unused=unused, periods=periods)
        if not is_changed and family.since is not None:
            dues, posted = _since(family.since, dues, posted)
        due = postings_due(row.id, row.purchase, posted, revision=row.revision + 1, dues=dues, origin=origin)
        postings += due
        ends += ends_due(row.id, row.purchase, posted, dues)
        if due and not is_changed:
            revisions.append(PurchaseRevision(id=row.id, expected_revision=row.revision, purchase=row.purchase))
    # Take before giving, so that nothing is taken from what the same change adds.
    postings.sort(key=lambda posting: posting.amount > 0)
    return FamilySettlement(revisions=tuple(revisions), postings=tuple(postings), ends=tuple(ends))


def _since(
    moment: datetime, dues: Sequence[GrantDue], posted: PostedByPeriod
) -> tuple[tuple[GrantDue, ...], PostedByPeriod]:
    """Return the entitlements and postings of the grants whose periods end then or later."""
    return (
        tuple(due for due in dues if due.period_ends_at is None or due.period_ends_at >= moment),
        {period: stands for period, stands in posted.items() if period is None or period >= moment},
    )


def _posted_together(rows: tuple[RecordedPurchase, ...]) -> PostedByPeriod:
    """Return the combined postings of purchases that turned out to be one."""
    periods = {period: Posted() for row in rows for period in row.posted}
    for row in rows:
        for period, posted in row.posted.items():
            periods[period] = _sum(periods[period], posted)
    return periods


def _sum(one: Posted, other: Posted) -> Posted:
    by_user: dict[UserId, int] = dict(one.by_user)
    for user_id, amount in other.by_user.items():
        by_user[user_id] = by_user.get(user_id, 0) + amount
    expired = dict(one.expired)
    for user_id, gone in other.expired.items():
        known = expired.get(user_id, ExpiredCredits(amount=0, posted_before=0))
        expired[user_id] = ExpiredCredits(
            amount=known.amount + gone.amount, posted_before=known.posted_before + gone.posted_before
        )
    clawed_back = dict(one.clawed_back)
    for user_id, taken in other.clawed_back.items():
        before = clawed_back.get(user_id, NOTHING_CLAWED_BACK)
        clawed_back[user_id] = ClawedBack(
            credits=before.credits + taken.credits,
            from_own=before.from_own + taken.from_own,
            from_others=(*before.from_others, *taken.from_others),
        )
    return Posted(by_user, expired, {**one.expires_at, **other.expires_at}, clawed_back)
