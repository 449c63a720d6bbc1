"""Use credits: execute many spends, holds and grants together. Read once, decide each, commit together.

A busy account costs one read and one commit for all concurrent operations on it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from domain.changes.changes import CommitResult, Committed, Conflict, Duplicate, Holdings
from domain.decisions.batches import NotCommitted, Outcome, decide_together, outcome_from, owner_of
from domain.decisions.operations import CreditOperation, ExpireOverdue
from domain.decisions.queries import query_for_operations
from domain.decisions.spending import Decided
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.coordination import AccountLocks
from domain.ports.ledger import Ledger, LedgerUntouched, Wallets
from domain.values.accounts import UserId

MAX_ROUNDS = 20
"""The maximum number of consecutive rounds in which every change met a conflict."""

OVERDUE_BATCH = 100


@attrs.frozen(kw_only=True)
class CreditService:
    """Executes credit operations; any number may run at once."""

    ledger: Ledger
    wallets: Wallets
    cache: QuotaCache
    notify_below: int | None = None
    """The low-balance threshold for accounts without one of their own; None for no notices."""
    locks: AccountLocks | None = None
    """Locks on contended accounts; None if there is only one process."""

    async def execute(
        self, operations: Sequence[CreditOperation], now: datetime | None = None, *, patience: int = MAX_ROUNDS
    ) -> tuple[Outcome, ...]:
        """Execute each operation once, as if one after the other; return one outcome for each, in their order.

        Operations that are not settled after too many fruitless rounds are contended, and may be retried. The ledger's
        clock, or `now`, decides what is overdue.

        :raises LedgerUntouched: if none of the operations was done.
        :raises LedgerUnavailable: if the ledger did not answer. A retry finds committed operations by their keys.
        """
        outcomes: dict[int, Outcome] = {}
        fruitless = 0
        while fruitless < patience:
            settled = len(outcomes)
            waiting = {place: operation for place, operation in enumerate(operations) if place not in outcomes}
            if not waiting:
                break
            try:
                await self._round(waiting, outcomes, now, reads_all=fruitless > 0)
            except LedgerUntouched:
                if not outcomes:
                    raise
                break  # those that are done get their answers; the others count as not asked for
            fruitless = 0 if len(outcomes) > settled else fruitless + 1
        contended = NotCommitted(f"the account kept changing through {patience} decisions", is_contended=True)
        return tuple([outcomes.get(place, contended) for place in range(len(operations))])

    async def execute_overdue(self, now: datetime | None = None) -> Mapping[UserId, Outcome]:
        """Expire overdue holds and grants of at most :data:`OVERDUE_BATCH` accounts; return the outcome for each.

        :raises LedgerUnavailable: if the ledger did not answer.
        """
        due = await self.wallets.accounts_with_overdue(OVERDUE_BATCH)
        outcomes = await self.execute([ExpireOverdue(user_id=user_id) for user_id in due], now)
        return dict(zip(due, outcomes, strict=True))

    async def _round(
        self,
        waiting: Mapping[int, CreditOperation],
        outcomes: dict[int, Outcome],
        now: datetime | None,
        *,
        reads_all: bool,
    ) -> None:
        """Read once, then decide and write; operations on contended accounts follow under their locks."""
        found = await self._read([*waiting.values()], now, reads_all=reads_all)
        contended = self.locks.contended(found.wallets.keys()) if self.locks is not None else frozenset()
        apart = {
            place: operation for place, operation in waiting.items() if owner_of(operation, found) not in contended
        }
        outcomes |= await self._work(apart, found)
        if self.locks is not None and len(apart) < len(waiting):
            in_turn = {place: operation for place, operation in waiting.items() if place not in apart}
            async with self.locks.lock(contended):
                found = await self._read([*in_turn.values()], now, reads_all=reads_all)
                outcomes |= await self._work(in_turn, found)

    async def _work(self, waiting: Mapping[int, CreditOperation], found: Holdings) -> dict[int, Outcome]:
        """Decide all and write one commit; operations without an outcome must be decided again."""
        made = decide_together(waiting, found, found.now, notify_below=self.notify_below)
        outcomes = dict(made.outcomes)
        if made.decided:
            results = await self.ledger.commit([one.change for one in made.decided.values()])
            self._learn([*made.decided.values()], results)
            await self.refresh(results)
            for (place, decided), result in zip(made.decided.items(), results, strict=True):
                outcome = outcome_from(waiting[place], decided, result)
                if outcome is not None:
                    outcomes[place] = outcome
        return outcomes

    def _learn(self, decided: Sequence[Decided], results: Sequence[CommitResult]) -> None:
        """Mark accounts whose first change met a conflict; changes that depended on an uncommitted one don't count."""
        broken: set[UserId] = set()
        contended: set[UserId] = set()
        for one, result in zip(decided, results, strict=True):
            user_id = one.guard.user_id
            if not isinstance(result, Committed) and user_id not in broken:
                broken.add(user_id)
                if isinstance(result, Conflict):
                    contended.add(user_id)
        if contended and self.locks is not None:
            self.locks.mark_contended(contended)

    async def _read(self, operations: Sequence[CreditOperation], now: datetime | None, *, reads_all: bool) -> Holdings:
        query = query_for_operations(operations, now)
        # After a round that settled nothing, all grants: what was read may have been too little.
        return await self.wallets.holdings(attrs.evolve(query, taking=None) if reads_all else query)

    async def refresh(self, results: Sequence[CommitResult]) -> None:
        """Update the cache with the committed accounts, if it can be reached."""
        # The worker walks what changed: an unreachable cache gets it later.
        newest = {
            account.user_id: account
            for result in results
            if isinstance(result, Committed | Duplicate)
            for account in result.accounts
        }
        if self.locks is not None:
            self.locks.probe_soon(newest.keys())
        with contextlib.suppress(CacheUnavailable):
            await self.cache.store_many([*newest.values()])
