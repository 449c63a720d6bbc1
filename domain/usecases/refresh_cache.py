"""Refresh the cache: walk the accounts that changed in the ledger, so that the cache converges after any failure.

A process that commits a change stores the account at once. The walk is for processes that died before, or that could
not reach the cache.
"""

import attrs

from domain.changes.walks import ChangedAccounts
from domain.ports.cache import QuotaCache
from domain.ports.ledger import AccountWalk, Audit

PAGE = 2000
"""The maximum number of changes to read at once."""

STORED_AT_ONCE = 100
"""The maximum number of accounts per call of the cache, which has a budget of time for each."""

LEASE_SECONDS = 15
"""For how long other workers leave the walk to one that died on its way, or that cannot reach the cache."""


@attrs.frozen(kw_only=True)
class CacheRefresher:
    """Lets the cache follow the ledger; any number may run."""

    walk: AccountWalk
    audit: Audit
    cache: QuotaCache

    async def run_once(self) -> int:
        """Store a page of changed accounts, and move the mark after them; return 0 if nothing has changed.

        :raises LedgerUnavailable: if the ledger did not answer.
        :raises CacheUnavailable: if the cache did not take an account; the same accounts come again.
        """
        changed = await self.walk.changed_accounts(PAGE, lease_seconds=LEASE_SECONDS)
        if changed is None:
            return 0
        await self._store(changed)
        if changed.is_everything:
            await self._repair_lines()
        # Last, so that a worker that dies before it leaves the accounts to the next one.
        await self.walk.move_mark(changed)
        return 1

    async def _store(self, changed: ChangedAccounts) -> None:
        for start in range(0, len(changed.accounts), STORED_AT_ONCE):
            await self.cache.store_many(changed.accounts[start : start + STORED_AT_ONCE])
        for user_id in changed.gone:
            await self.cache.forget(user_id)

    async def _repair_lines(self) -> None:
        """Store what the ledger has of every account in the cache; what it lacks is read from the ledger anyway."""
        async for copies in self.cache.lines():
            accounts = await self.audit.accounts_of([copy.user_id for copy in copies])
            found = {account.user_id for account in accounts}
            gone = tuple(copy.user_id for copy in copies if copy.user_id not in found)
            await self._store(ChangedAccounts(since=None, until="", accounts=accounts, gone=gone))
