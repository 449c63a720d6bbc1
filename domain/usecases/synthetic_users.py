"""Create and remove synthetic users for load tests; never on a live deployment."""

import attrs

from domain.ports.cache import QuotaCache
from domain.ports.deployment import SyntheticUsers
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, check_number, parse_tag


@attrs.frozen
class LiveDeployment(Exception):
    """Synthetic users are refused: this deployment takes real money."""


@attrs.frozen(kw_only=True)
class SyntheticUserService:
    """Creates, lists and removes groups of synthetic users."""

    users: SyntheticUsers
    cache: QuotaCache
    livemode: bool

    async def begin(self, tag: str, count: int) -> tuple[SyntheticUser, ...]:
        """Create the group's users up to the count; return all of them, including those created before.

        :raises LiveDeployment: if this deployment takes real money.
        :raises InvalidTag: if the tag is malformed.
        :raises WrongNumberOfUsers: if the count is out of bounds.
        :raises SyntheticUsersRefused: if the project's own constraints reject such users.
        :raises LedgerUnavailable: if the ledger could not be reached.
        """
        self._check_mode()
        return await self.users.add(parse_tag(tag), check_number(count))

    async def list(self) -> tuple[SyntheticUserGroup, ...]:
        """Return the groups that have users now.

        :raises LiveDeployment: if this deployment takes real money.
        :raises LedgerUnavailable: if the ledger could not be reached.
        """
        self._check_mode()
        return await self.users.groups()

    async def end(self, tag: str) -> Removal:
        """Remove the group's users, their undelivered messages, and their cache entries; safe to repeat.

        :raises LiveDeployment: if this deployment takes real money.
        :raises InvalidTag: if the tag is malformed.
        :raises LedgerUnavailable: if the ledger could not be reached.
        :raises CacheUnavailable: if cache entries could not be removed; the users are, and repeating removes the rest.
        """
        self._check_mode()
        removal = await self.users.remove(parse_tag(tag))
        for user_id in removal.removed:
            await self.cache.forget(user_id)
        return removal

    def _check_mode(self) -> None:
        if self.livemode:
            raise LiveDeployment
