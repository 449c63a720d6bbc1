"""Set the low-balance threshold of an account."""

import attrs

from domain.ports.ledger import Thresholds
from domain.usecases.read_account import UnknownUser
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Watch:
    """An account's own threshold and the one in force, in available credits; None for none."""

    user_id: UserId
    own: int | None
    in_force: int | None


@attrs.frozen(kw_only=True)
class LowBalanceThresholds:
    """Sets thresholds. Notices are made by the changes that take an account below its threshold."""

    thresholds: Thresholds
    default: int | None

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Watch:
        """Set or remove the account's own threshold. No notice is sent for a balance that is below it already.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if it could not be written.
        """
        account = await self.thresholds.set_threshold(user_id, threshold)
        if account is None:
            raise UnknownUser(user_id)
        own = account.notify_below
        return Watch(user_id=user_id, own=own, in_force=own if own is not None else self.default)
