"""Read an account: its quota, fast, and its entries."""

import contextlib
import enum

import attrs

from domain.accounts import Account, UserId
from domain.explanations import AccountExplanation, explain
from domain.ledger import LedgerEntry
from domain.ports import Accounts, Audit, CacheUnavailable, QuotaCache

MAX_PAGE = 200
"""The most entries one page may have."""


class QuotaSource(enum.StrEnum):
    """Who answered: the copy, or the authority."""

    CACHE = "cache"
    LEDGER = "ledger"


@attrs.frozen
class Quota:
    """What a user may spend, and who says so."""

    account: Account
    source: QuotaSource


@attrs.frozen
class UnknownUser(Exception):
    """There is no such user."""

    user_id: UserId


@attrs.frozen(kw_only=True)
class Page:
    """Entries newest first; `next_before` asks for those that follow, None when there are no more."""

    entries: tuple[LedgerEntry, ...]
    next_before: int | None


@attrs.frozen(kw_only=True)
class AccountReader:
    """Reads accounts, from the cache where it can."""

    accounts: Accounts
    audit: Audit
    cache: QuotaCache

    async def quota(self, user_id: UserId) -> Quota:
        """The user's quota: from the cache, else from the ledger, which then fills the cache.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if neither could be asked.
        """
        with contextlib.suppress(CacheUnavailable):
            cached = await self.cache.find(user_id)
            if cached is not None:
                return Quota(cached, QuotaSource.CACHE)
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        with contextlib.suppress(CacheUnavailable):
            await self.cache.store(account)
        return Quota(account, QuotaSource.LEDGER)

    async def transactions(self, user_id: UserId, *, before_version: int | None, limit: int) -> Page:
        """One page of the user's entries; `limit` is between 1 and :data:`MAX_PAGE`.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if it could not be asked.
        """
        found = await self.accounts.entries(user_id, before_version=before_version, limit=limit + 1)
        if not found and await self.accounts.account(user_id) is None:
            raise UnknownUser(user_id)
        entries = found[:limit]
        return Page(entries=entries, next_before=entries[-1].version if len(found) > limit else None)

    async def explanation(self, user_id: UserId) -> AccountExplanation:
        """What became of every credit of the user, with the provider's objects.

        :raises UnknownUser: if the ledger never knew such a user.
        :raises LedgerUnavailable: if it could not be asked.
        """
        record = await self.audit.record_of(user_id)
        if record is None:
            raise UnknownUser(user_id)
        return explain(record)
