"""Refuses changes that must not be written: the checks of the ledger's own guards, in memory."""

from adapters.memory.accounts import MemoryAccounts
from adapters.memory.grants import MemoryGrants
from adapters.memory.purchases import MemoryPurchases
from domain.changes.changes import Change, Conflict, RecordedSubscription, Rejected
from domain.credits.ledger import EntryKind
from domain.values.accounts import Account, UserId


def affected_users(change: Change) -> tuple[UserId, ...]:
    """Return the users on whose accounts the change writes, in the order of their ids."""
    return tuple(sorted({posting.user_id for posting in change.postings} | {hold.user_id for hold in change.holds}))


def is_outdated(
    change: Change, purchases: MemoryPurchases, subscription: RecordedSubscription | None
) -> Conflict | None:
    """Return the conflict where what was read of purchases and of the change's subscription has moved on."""
    revision = change.revision
    if revision is not None:
        expected = {other.id: other.expected_revision for other in revision.absorbed}
        expected |= {other.id: other.expected_revision for other in change.others}
        expected[revision.id] = revision.expected_revision
        if any(purchases.revision(known) != wanted for known, wanted in expected.items()):
            return Conflict("revision")
        if any(map(purchases.leads_elsewhere, (revision, *change.others))):
            return Conflict("link")
    if change.subscription is not None:
        known = subscription.revision if subscription else 0
        if known != change.subscription.expected_revision:
            return Conflict("revision")
    return None


def is_uncovered(change: Change, accounts: MemoryAccounts, grants: MemoryGrants) -> Conflict | Rejected | None:
    """Return what refuses the change of accounts, grants and holds."""
    guard = change.account
    guarded = (guard.user_id,) if guard is not None else ()
    if any(user not in accounts for user in (*affected_users(change), *guarded)):
        return Conflict("unknown_user")
    if any(_is_another(change.owner_email, accounts.get(posting.user_id).email) for posting in change.postings):
        return Conflict("unknown_user")
    if any(posting.amount == 0 for posting in change.postings):
        return Rejected("an entry must change the balance")
    if guard is not None and accounts.get(guard.user_id).revision != guard.expected_revision:
        return Conflict("account")
    known = [(hold, grants.hold(hold.id)) for hold in change.holds]
    if any(before is not None and (hold.is_open or not before.is_open) for hold, before in known):
        return Conflict("hold")
    conflicts = (_conflict_with(change, accounts.get(user), grants) for user in affected_users(change))
    return next(filter(None, conflicts), None)


def _conflict_with(change: Change, account: Account, grants: MemoryGrants) -> Conflict | None:
    """Return the conflict of what the change does to one account."""
    user = account.user_id
    postings = [posting for posting in change.postings if posting.user_id == user]
    holds = [hold for hold in change.holds if hold.user_id == user]
    if not grants.can_draw(user, postings):
        return Conflict("grants")
    captured = -sum(posting.amount for posting in postings if posting.kind is EntryKind.CAPTURE)
    if captured != sum(hold.captured for hold in holds):
        return Conflict("hold")
    held = sum(hold.credits * (hold.is_open - (grants.hold(hold.id) is not None)) for hold in holds)
    left = account.available + sum(posting.amount for posting in postings) - held
    return Conflict("insufficient_credits") if left < 0 and _needs_cover(change, user) else None


def _needs_cover(change: Change, user_id: UserId) -> bool:
    """Return whether nothing of the change may take what is not available: a capture may, of what was held."""
    kinds = {posting.kind for posting in change.postings if posting.user_id == user_id and posting.amount < 0}
    holds_more = any(hold.is_open for hold in change.holds if hold.user_id == user_id)
    guarded = bool(kinds & {EntryKind.SPEND, EntryKind.EXPIRY, EntryKind.ADJUSTMENT}) or holds_more
    return guarded and EntryKind.CAPTURE not in kinds


def _is_another(presumed: str | None, email: str | None) -> bool:
    return presumed is not None and email is not None and email != presumed
