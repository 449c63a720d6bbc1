"""Everything that the ledger has about an account, as stored."""

import attrs

from domain.credits.grants import Grant
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import LedgerEntry
from domain.payments.purchases import Purchase, PurchaseId
from domain.values.accounts import Account, UserId
from domain.values.plans import PlanId


@attrs.frozen(kw_only=True)
class PurchaseRecord:
    """A purchase as stored, with the ids of those that were merged into it."""

    id: PurchaseId
    purchase: Purchase
    merged: tuple[PurchaseId, ...] = ()
    posted: int
    """What its entries on the account sum to, those of other pages included."""


@attrs.frozen(kw_only=True)
class RecordedDraw:
    """Credits that the entry with that version drew."""

    version: int
    credits: int


@attrs.frozen(kw_only=True)
class GrantRecord:
    """A grant as stored, with what entries added to it and drew from it, oldest first."""

    grant: Grant
    plan_id: PlanId | None = None
    """What was bought, where it was."""
    made_by: LedgerEntry | None = None
    puts: tuple[int, ...] = ()
    """The versions of the entries."""
    draws: tuple[RecordedDraw, ...] = ()


@attrs.frozen(kw_only=True)
class RecordPlace:
    """A place in an account's records. Reading continues with older ones; the default begins with the newest."""

    entry: int | None = None
    hold: HoldId | None = None
    purchase: PurchaseId | None = None


NEWEST = RecordPlace()
MAX_RECORDS = 200
"""The most entries, holds and purchases, each, on one page of an account's records."""


@attrs.frozen(kw_only=True)
class AccountRecord:
    """A page of an account's records. Pages go from the newest to the oldest; within a page the oldest comes first.

    It has as many entries, holds and purchases as requested, and what these need: the purchases and grants of its
    entries, with only the additions and draws by those entries. The first page also has the live grants. The purchases
    include invoices of its subscriptions that only return unused time and have no order.
    """

    user_id: UserId
    account: Account | None
    """None if the user was deleted."""
    purchases: tuple[PurchaseRecord, ...]
    family: tuple[Purchase, ...] = ()
    """The other invoices of the purchases' subscriptions, as far as they bear on what the purchases are worth."""
    is_cut: bool = False
    """Whether there are more such invoices, further away than those that are read."""
    entries: tuple[LedgerEntry, ...]
    grants: tuple[GrantRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
    following: RecordPlace | None = None
    """Where the next page begins; None where there is none."""


@attrs.frozen(kw_only=True)
class AccountSums:
    """The sums of all of an account's entries, and what remains in its grants."""

    by_purchases: int
    by_others: int
    remaining: int
    """Credits that remain in its grants."""
