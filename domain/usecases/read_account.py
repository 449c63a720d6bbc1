"""Read an account: its quota, fast, and its entries."""

import contextlib
import enum
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import attrs

from domain.credits.explanation import AccountExplanation, explain
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.credits.records import MAX_RECORDS, NEWEST, AccountSums, RecordPlace
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.ledger import Accounts, Audit
from domain.values.accounts import Account, HistoricalBalance, UserId

MAX_PAGE = 200
"""The maximum number of entries per page."""


class QuotaSource(enum.StrEnum):
    """The source of a quota: the cache or the ledger."""

    CACHE = "cache"
    LEDGER = "ledger"


@attrs.frozen
class Quota:
    """A user's account, of which the available credits may be spent, and the source that it was read from."""

    account: Account
    source: QuotaSource


@attrs.frozen
class UnknownUser(Exception):
    """There is no such user."""

    user_id: UserId


@attrs.frozen
class TimeToCome(Exception):
    """By the ledger's clock the time is in the future."""

    moment: datetime


@attrs.frozen(kw_only=True)
class Page:
    """One page of entries, newest first; pass `next_before` to get the next page; None on the last one."""

    entries: tuple[LedgerEntry, ...]
    next_before: int | None


@attrs.frozen(kw_only=True)
class AccountReader:
    """Reads accounts, from the cache if possible."""

    accounts: Accounts
    audit: Audit
    cache: QuotaCache

    async def quota(self, user_id: UserId) -> Quota:
        """Return the user's quota from the cache, or else from the ledger, which then fills the cache.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if neither could be reached.
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

    async def quotas(self, user_ids: Sequence[UserId]) -> dict[UserId, Quota]:
        """Return the quotas of the known users, from the cache and for the rest from the ledger.

        :raises LedgerUnavailable: if it was needed and could not be reached.
        """
        found: dict[UserId, Quota] = {}
        with contextlib.suppress(CacheUnavailable):
            copies = await self.cache.find_many(user_ids)
            found = {copy.user_id: Quota(copy, QuotaSource.CACHE) for copy in copies if copy is not None}
        missing = [user_id for user_id in user_ids if user_id not in found]
        accounts = await self.audit.accounts_of(missing) if missing else ()
        for account in accounts:
            found[account.user_id] = Quota(account, QuotaSource.LEDGER)
        with contextlib.suppress(CacheUnavailable):
            await self.cache.store_many(accounts)
        return found

    async def quota_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance:
        """Return what the user had at a past time.

        :raises UnknownUser: if the ledger knows no such user.
        :raises TimeToCome: if that time has not come yet.
        :raises LedgerUnavailable: if it could not be reached.
        """
        if await self.accounts.account(user_id) is None:
            raise UnknownUser(user_id)
        found = await self.accounts.balance_at(user_id, moment)
        if found is None:
            raise TimeToCome(moment)
        return found

    async def transactions(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> Page:
        """Return one page of the user's matching entries; `limit` is between 1 and :data:`MAX_PAGE`.

        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if it could not be reached.
        """
        found = await self.accounts.entries(user_id, before_version=before_version, limit=limit + 1, wanted=wanted)
        if not found and await self.accounts.account(user_id) is None:
            raise UnknownUser(user_id)
        entries = found[:limit]
        return Page(entries=entries, next_before=entries[-1].version if len(found) > limit else None)

    async def transactions_after(
        self, user_id: UserId, page: Page, *, wanted: EntryFilter = EVERY_ENTRY
    ) -> AsyncIterator[Page]:
        """Yield the pages of the user's entries that follow a page, reading each when it is requested.

        :raises LedgerUnavailable: if the ledger could not be read.
        """
        while page.next_before is not None:
            page = await self.transactions(user_id, before_version=page.next_before, limit=MAX_PAGE, wanted=wanted)
            yield page

    async def explanation(
        self, user_id: UserId, *, place: RecordPlace = NEWEST, limit: int = MAX_RECORDS
    ) -> AccountExplanation:
        """Return a page of where the user's credits came from and went, with the provider's objects.

        It has at most `limit` entries, holds and purchases each, from 1 to :data:`MAX_RECORDS`.

        :raises UnknownUser: if the ledger never knew such a user.
        :raises LedgerUnavailable: if it could not be reached.
        """
        record = await self.audit.record_of(user_id, place=place, limit=limit)
        if record is None:
            raise UnknownUser(user_id)
        return explain(record)

    async def sums(self, user_id: UserId) -> AccountSums:
        """Return what all of the user's entries come to.

        :raises LedgerUnavailable: if it could not be asked.
        """
        return await self.audit.sums_of(user_id)
