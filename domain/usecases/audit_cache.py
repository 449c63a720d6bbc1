"""Audit the cache: compare every cached account with the ledger, and repair it."""

from collections.abc import Callable

import attrs

from domain.ports.cache import CacheUnavailable, QuotaCache, SessionMarkers
from domain.ports.ledger import Audit
from domain.upkeep.consistency import Inconsistency
from domain.values.accounts import Account, UserId

BATCH = 500


@attrs.frozen(kw_only=True)
class Disagreement:
    """A cached account that differs from the ledger's; `account` is None if there is no such user."""

    user_id: UserId
    problem: str
    account: Account | None
    copy: Account


@attrs.frozen(kw_only=True)
class ConsistencyReport:
    """The discrepancies within the ledger, and between the cache and the ledger."""

    ledger: tuple[Inconsistency, ...]
    cache: tuple[Disagreement, ...]
    cache_unavailable: str | None = None
    """Why the cache was not compared; None if it was."""

    @property
    def consistent(self) -> bool:
        """Return whether no discrepancy was found."""
        return not self.ledger and not self.cache


@attrs.frozen(kw_only=True)
class CacheAuditor:
    """Compares the cache with the ledger, and the ledger's balances with its entries."""

    audit: Audit
    cache: QuotaCache
    markers: SessionMarkers

    async def report(self) -> ConsistencyReport:
        """Return all discrepancies; this reads every entry.

        :raises LedgerUnavailable: if the ledger could not be reached.
        :raises CacheUnavailable: if the cache could not be reached.
        """
        return ConsistencyReport(ledger=await self.audit.inconsistencies(), cache=await self.disagreements())

    async def report_what_is_reached(self) -> ConsistencyReport:
        """Return all discrepancies, those of the ledger alone if the cache could not be reached.

        :raises LedgerUnavailable: if the ledger could not be reached.
        """
        ledger = await self.audit.inconsistencies()
        try:
            return ConsistencyReport(ledger=ledger, cache=await self.disagreements())
        except CacheUnavailable as away:
            return ConsistencyReport(ledger=ledger, cache=(), cache_unavailable=away.cause)

    async def disagreements(self) -> tuple[Disagreement, ...]:
        """Return every cached account that differs. Accounts that changed meanwhile are compared again.

        :raises LedgerUnavailable: if the ledger could not be reached.
        :raises CacheUnavailable: if the cache could not be reached.
        """
        found: dict[UserId, Disagreement] = {}
        async for copies in self.cache.lines():
            accounts = await self._accounts(copies)
            for suspect in copies:
                if _problem(accounts.get(suspect.user_id), suspect) is not None:
                    found.update(await self._looked_at_again(suspect.user_id))
        return tuple(found[user_id] for user_id in sorted(found))

    async def sync(self, user_id: UserId) -> Account | None:
        """Recompute the account from its entries, and write it to the cache.

        Return the account, or None if there is no such user; then its cache entry is removed.

        :raises LedgerUnavailable: if the ledger could not be reached.
        :raises CacheUnavailable: if the cache could not be reached; the ledger is repaired then.
        """
        try:
            # An entry with a higher revision would keep ours out, so remove it first, and before reading the account:
            # one that is written after that is really newer and stays.
            await self.cache.forget(user_id)
        finally:
            account = await self.audit.recompute(user_id)
        if account is not None:
            await self.cache.store(account)
        return account

    async def sync_all(self, watch: Callable[[int], None] = lambda _: None) -> int:
        """Repair every account and cache entry; return their number. `watch` is called with the number done so far.

        Marks of committed events are dropped: a ledger restored from a backup may not have those events.

        :raises LedgerUnavailable: if the ledger could not be reached.
        :raises CacheUnavailable: if the cache could not be reached.
        """
        done = 0
        last: UserId | None = None
        while page := await self.audit.accounts_after(last, BATCH):
            for account in page:
                await self.sync(account.user_id)
                done += 1
                watch(done)
            last = page[-1].user_id
        async for copies in self.cache.lines():
            accounts = await self._accounts(copies)
            for copy in copies:
                if copy.user_id not in accounts:
                    await self.cache.forget(copy.user_id)
        await self.markers.forget_processed()
        return done

    async def _looked_at_again(self, user_id: UserId) -> dict[UserId, Disagreement]:
        copy = await self.cache.find(user_id)
        accounts = await self.audit.accounts_of([user_id])
        account = accounts[0] if accounts else None
        problem = _problem(account, copy) if copy is not None else None
        if copy is None or problem is None:
            return {}
        return {user_id: Disagreement(user_id=user_id, problem=problem, account=account, copy=copy)}

    async def _accounts(self, copies: tuple[Account, ...]) -> dict[UserId, Account]:
        found = await self.audit.accounts_of([copy.user_id for copy in copies]) if copies else ()
        return {account.user_id: account for account in found}


def _problem(account: Account | None, copy: Account) -> str | None:
    if account is None:
        return "cache_has_no_account"
    if copy.revision > account.revision:
        return "cache_is_ahead"
    if copy.revision < account.revision:
        return "cache_is_behind"
    if (copy.balance, copy.held) != (account.balance, account.held):
        return "cache_differs"
    return None
