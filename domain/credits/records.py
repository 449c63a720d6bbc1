"""All that the ledger has of an account, as it is kept."""

import attrs

from domain.credits.grants import Grant
from domain.credits.holds import Hold
from domain.credits.ledger import LedgerEntry
from domain.payments.purchases import Purchase, PurchaseId
from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class PurchaseRecord:
    """A purchase as it is kept, with the ids of those that were merged into it."""

    id: PurchaseId
    purchase: Purchase
    merged: tuple[PurchaseId, ...] = ()


@attrs.frozen(kw_only=True)
class RecordedDraw:
    """Credits that the entry of a version took; version 0 stands for entries of before draws were recorded."""

    version: int
    credits: int


@attrs.frozen(kw_only=True)
class GrantRecord:
    """A grant as it is kept, with all that was drawn from it, in the order in which it was."""

    grant: Grant
    draws: tuple[RecordedDraw, ...] = ()


@attrs.frozen(kw_only=True)
class AccountRecord:
    """All that the ledger has of an account: entries, grants and holds oldest first, and the purchases behind them.

    Invoices of its subscriptions that only give unused time back are among these, though nobody ordered anything.
    """

    user_id: UserId
    account: Account | None
    """None where the user was deleted."""
    purchases: tuple[PurchaseRecord, ...]
    entries: tuple[LedgerEntry, ...]
    grants: tuple[GrantRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
