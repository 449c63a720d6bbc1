"""Accounts that changed since the cache last followed the ledger."""

import attrs

from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class ChangedAccounts:
    """The accounts that changed between two marks, as they are now. Only the ledger knows what a mark consists of."""

    since: str | None
    """The mark that the walk had reached; None if nothing is known of the cache."""
    until: str
    """The mark that is reached once the cache has these accounts."""
    is_everything: bool = False
    """Whether any account may have changed, because the ledger can't say which, or too many did in one transaction."""
    accounts: tuple[Account, ...] = ()
    gone: tuple[UserId, ...] = ()
    """Those that were deleted."""
