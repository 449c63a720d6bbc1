"""Sums what is posted for a purchase from the entries in memory."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from adapters.memory.accounts import MemoryAccounts
from adapters.memory.grants import MemoryGrants
from adapters.memory.purchases import MemoryPurchases
from domain.changes.changes import RecordedPurchase
from domain.credits.clawbacks import OWN_GRANT, ClawedBack
from domain.credits.ledger import EntryKind, LedgerEntry, period_of, returned_to
from domain.payments.purchases import PurchaseId
from domain.values.accounts import UserId


def with_posted(
    recorded: RecordedPurchase, purchases: MemoryPurchases, accounts: MemoryAccounts, grants: MemoryGrants
) -> RecordedPurchase:
    """Return the purchase with what is posted for it, and which of its users have no account any more."""
    ids = purchases.one_payment(recorded.id)
    posted = {
        period: attrs.evolve(
            one,
            expires_at=grants.ends_of(ids, period),
            clawed_back={
                user: taken
                for user in one.by_user
                if (taken := _clawed_back(user, accounts.entries(user), grants, ids, period)) is not None
            },
        )
        for period, one in purchases.posted(recorded.id, accounts.every_entry()).items()
    }
    users = {user for one in posted.values() for user in one.by_user}
    named = {*users, *((recorded.purchase.order.user_id,) if recorded.purchase.order else ())}
    absent = frozenset(user for user in named if user not in accounts)
    return attrs.evolve(recorded, posted=posted, absent_users=absent)


def _clawed_back(
    user_id: UserId,
    entries: Sequence[LedgerEntry],
    grants: MemoryGrants,
    purchase_ids: frozenset[PurchaseId],
    period: datetime | None,
) -> ClawedBack | None:
    """Return what clawbacks took for the user's grant of the period; None where there was no clawback.

    What later credits paid of a debt counts as taken from their grants.
    """
    of_period = [
        entry for entry in entries if entry.posting.purchase_id in purchase_ids and period_of(entry.posting) == period
    ]
    clawbacks = [entry for entry in of_period if entry.posting.kind is EntryKind.CLAWBACK]
    if not clawbacks:
        return None
    paying = [
        entry.version
        for entry in entries[clawbacks[0].version :]
        if entry.posting.amount > 0 and entry.posting.purchase_id not in purchase_ids
    ]
    versions = frozenset([*paying, *(entry.version for entry in clawbacks)])
    own, others = grants.taken(user_id, purchase_ids, period, versions)
    back: dict[str, int] = {}
    for posting in (entry.posting for entry in of_period):
        grant = returned_to(posting)
        if grant is not None:
            back[grant] = back.get(grant, 0) + posting.amount
    kinds = {EntryKind.CLAWBACK, EntryKind.REINSTATEMENT}
    return ClawedBack(
        credits=-sum(entry.posting.amount for entry in of_period if entry.posting.kind in kinds),
        from_own=own - back.get(OWN_GRANT, 0),
        from_others=tuple(
            attrs.evolve(draw, credits=left)
            for draw in others
            if (left := draw.credits - back.get(str(draw.grant_id), 0)) > 0
        ),
    )
