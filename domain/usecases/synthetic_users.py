"""Rehearse: make synthetic users, and remove them again; never where real money moves."""

import attrs

from domain.ports.cache import QuotaCache
from domain.ports.deployment import SyntheticUsers
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, check_number, parse_tag


@attrs.frozen
class LiveDeployment(Exception):
    """Rehearsals are refused: this deployment moves real money."""


@attrs.frozen(kw_only=True)
class SyntheticUserService:
    """Makes and removes the users of rehearsals."""

    users: SyntheticUsers
    cache: QuotaCache
    livemode: bool

    async def begin(self, tag: str, count: int) -> tuple[SyntheticUser, ...]:
        """Let the rehearsal have so many users; those that it has stay, and are among the result.

        :raises LiveDeployment: if real money moves here.
        :raises InvalidTag: if the tag is none.
        :raises WrongNumberOfUsers: if the count is out of bounds.
        :raises SyntheticUsersRefused: if the project's own constraints refuse such users.
        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        self._check_mode()
        return await self.users.add(parse_tag(tag), check_number(count))

    async def list(self) -> tuple[SyntheticUserGroup, ...]:
        """The rehearsals that have users now.

        :raises LiveDeployment: if real money moves here.
        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        self._check_mode()
        return await self.users.groups()

    async def end(self, tag: str) -> Removal:
        """Remove the rehearsal's users, what waits for them, and their copies in the cache; may be repeated.

        :raises LiveDeployment: if real money moves here.
        :raises InvalidTag: if the tag is none.
        :raises LedgerUnavailable: if the ledger could not be asked.
        :raises CacheUnavailable: if the copies could not be removed; the users are, and a repetition removes the rest.
        """
        self._check_mode()
        removal = await self.users.remove(parse_tag(tag))
        for user_id in removal.removed:
            await self.cache.forget(user_id)
        return removal

    def _check_mode(self) -> None:
        if self.livemode:
            raise LiveDeployment
