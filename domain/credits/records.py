"""Everything that the ledger has about an account, as stored."""

import attrs

from domain.credits.grants import Grant
from domain.credits.holds import Hold
from domain.credits.ledger import LedgerEntry
from domain.payments.purchases import Purchase, PurchaseId
from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class PurchaseRecord:
    """A purchase as stored, with the ids of those that were merged into it."""

    id: PurchaseId
    purchase: Purchase
    merged: tuple[PurchaseId, ...] = ()


@attrs.frozen(kw_only=True)
class RecordedDraw:
    """Credits that the entry with that version drew; version 0 stands for entries from before draws were recorded."""

    version: int
    credits: int


@attrs.frozen(kw_only=True)
class GrantRecord:
    """A grant as stored, with everything that was drawn from it, in order."""

    grant: Grant
    draws: tuple[RecordedDraw, ...] = ()


@attrs.frozen(kw_only=True)
class AccountRecord:
    """An account's entries, grants and holds, oldest first, and the purchases behind them.

    The purchases include invoices of its subscriptions that only return unused time and have no order.
    """

    user_id: UserId
    account: Account | None
    """None if the user was deleted."""
    purchases: tuple[PurchaseRecord, ...]
    entries: tuple[LedgerEntry, ...]
    grants: tuple[GrantRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
