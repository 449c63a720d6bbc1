"""Watch balances: each account's own threshold, below which its balance is low."""

import attrs

from domain.ports.ledger import Thresholds
from domain.usecases.read_account import UnknownUser
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Watch:
    """The threshold that an account has of its own, and the one that is in force; None for none."""

    user_id: UserId
    own: int | None
    in_force: int | None


@attrs.frozen(kw_only=True)
class LowBalanceThresholds:
    """Sets thresholds; what falls below one is told by the change that lowers it."""

    thresholds: Thresholds
    default: int | None

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Watch:
        """Let the account have a threshold of its own, or none. A balance that is below it already is not told.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if it could not be written.
        """
        account = await self.thresholds.set_threshold(user_id, threshold)
        if account is None:
            raise UnknownUser(user_id)
        own = account.notify_below
        return Watch(user_id=user_id, own=own, in_force=own if own is not None else self.default)
