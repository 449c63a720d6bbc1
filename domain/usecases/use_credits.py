"""Use credits: spends, holds, and what operators give, many intents at once: read once, decide each, commit together.

A busy account costs one read and one commit for all that is asked of it at the same moment.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from domain.changes.changes import CommitResult, Committed, Conflict, Duplicate, Holdings
from domain.decisions.batches import Outcome, Unsettled, decide_together, for_one_commit, outcome_of, owner_of
from domain.decisions.operations import CaptureHold, Intent, SettleDues, VoidHold, key_of
from domain.decisions.spending import Decided
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.coordination import Turns
from domain.ports.ledger import Ledger, Wallets
from domain.values.accounts import UserId

MAX_ROUNDS = 20
"""Rounds in which nothing was done, against accounts that keep moving on."""

DUE_BATCH = 100


@attrs.frozen(kw_only=True)
class CreditDesk:
    """Does what callers ask of credits; any number may work at once."""

    ledger: Ledger
    wallets: Wallets
    cache: QuotaCache
    notify_below: int | None = None
    """The threshold of a low balance, for accounts that have none of their own."""
    turns: Turns | None = None
    """At accounts that other processes want as well; None where nobody else works."""

    async def settle(
        self, intents: Sequence[Intent], now: datetime, *, patience: int = MAX_ROUNDS
    ) -> tuple[Outcome, ...]:
        """Do each intent once, as if one after the other; one outcome for each, in their order.

        What is not settled after so many fruitless rounds is contended, and may be asked for again.

        :raises LedgerUnavailable: if the ledger gave no answer. What was done is done, and is found by its keys.
        """
        outcomes: dict[int, Outcome] = {}
        fruitless = 0
        while fruitless < patience:
            waiting = {place: intent for place, intent in enumerate(intents) if place not in outcomes}
            if not waiting:
                break
            found = await self._round(waiting, now)
            outcomes |= found
            fruitless = 0 if found else fruitless + 1
        contended = Unsettled(f"the account kept changing through {patience} decisions", is_contended=True)
        return tuple([outcomes.get(place, contended) for place in range(len(intents))])

    async def settle_due(self, now: datetime) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of at most :data:`DUE_BATCH` accounts; what came of it, for each of those.

        :raises LedgerUnavailable: if the ledger gave no answer.
        """
        due = await self.wallets.due(DUE_BATCH)
        outcomes = await self.settle([SettleDues(user_id=user_id) for user_id in due], now)
        return dict(zip(due, outcomes, strict=True))

    async def _round(self, waiting: Mapping[int, Intent], now: datetime) -> dict[int, Outcome]:
        """Read once, then decide and write; what others want as well comes after that, in its turn."""
        found = await self._read([*waiting.values()])
        shared = self.turns.shared(found.wallets.keys()) if self.turns is not None else frozenset()
        apart = {place: intent for place, intent in waiting.items() if owner_of(intent, found) not in shared}
        outcomes = await self._work(apart, found, now)
        if self.turns is not None and len(apart) < len(waiting):
            in_turn = {place: intent for place, intent in waiting.items() if place not in apart}
            async with self.turns.at(shared):
                outcomes |= await self._work(in_turn, await self._read([*in_turn.values()]), now)
        return outcomes

    async def _work(self, waiting: Mapping[int, Intent], found: Holdings, now: datetime) -> dict[int, Outcome]:
        """Decide all, and write what is to be written in one commit; what has no outcome is to be decided again."""
        made = decide_together(waiting, found, now, notify_below=self.notify_below)
        outcomes = dict(made.outcomes)
        if made.decided:
            results = await self.ledger.commit(for_one_commit([*made.decided.values()]))
            self._learn([*made.decided.values()], results)
            await self.refresh(results)
            for (place, decided), result in zip(made.decided.items(), results, strict=True):
                outcome = outcome_of(waiting[place], decided, result)
                if outcome is not None:
                    outcomes[place] = outcome
        return outcomes

    def _learn(self, decided: Sequence[Decided], results: Sequence[CommitResult]) -> None:
        """Note where others came first: what was to follow on a change that is not committed says nothing of others."""
        broken: set[UserId] = set()
        met: set[UserId] = set()
        for one, result in zip(decided, results, strict=True):
            user_id = one.guard.user_id
            if not isinstance(result, Committed) and user_id not in broken:
                broken.add(user_id)
                if isinstance(result, Conflict):
                    met.add(user_id)
        if met and self.turns is not None:
            self.turns.met(met)

    async def _read(self, intents: Sequence[Intent]) -> Holdings:
        return await self.wallets.holdings(
            user_ids=frozenset(intent.user_id for intent in intents if not isinstance(intent, CaptureHold | VoidHold)),
            keys=frozenset(key for intent in intents if (key := key_of(intent)) is not None),
            hold_ids=frozenset(intent.hold_id for intent in intents if isinstance(intent, CaptureHold | VoidHold)),
        )

    async def refresh(self, results: Sequence[CommitResult]) -> None:
        """Let the cache learn of what was committed, if it can be reached."""
        # The commits' outbox holds the same refresh: a cache that is away now learns of it later.
        newest = {
            account.user_id: account
            for result in results
            if isinstance(result, Committed | Duplicate)
            for account in result.accounts
        }
        if self.turns is not None:
            self.turns.look(newest.keys())
        with contextlib.suppress(CacheUnavailable):
            await self.cache.store_many([*newest.values()])
