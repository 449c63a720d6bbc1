"""Use credits: spends, holds, and what operators give, many intents at once: read once, decide each, commit together.

A busy account costs one read and few commits for all that is asked of it at the same moment.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import attrs

from domain.accounts import UserId
from domain.batches import BATCH, Batch, Outcome, Unsettled, decide_in_batches, outcome_of
from domain.commits import Change, CommitResult, Committed, Conflict, Duplicate, Holdings
from domain.intents import CaptureHold, Intent, SettleDues, VoidHold, key_of
from domain.ports import CacheUnavailable, Ledger, Overlap, Pauses, QuotaCache, Wallets

MAX_ROUNDS = 20
"""Rounds in which nothing was done, against accounts that keep moving on."""

LONGEST_PAUSE_MILLISECONDS = 50
"""Pauses before further rounds grow up to this one; all of them are below a second."""

DUE_BATCH = 100


@attrs.frozen(kw_only=True)
class CreditDesk:
    """Does what callers ask of credits; any number may work at once."""

    ledger: Ledger
    wallets: Wallets
    cache: QuotaCache
    notify_below: int | None = None
    """The threshold of a low balance, for accounts that have none of their own."""
    pauses: Pauses | None = None
    """Between rounds in which nothing was done; None where nobody else works."""
    overlap: Overlap | None = None
    """How some are decided while others are written; None to decide all and then write them."""

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
            await self._let_others_go_first(fruitless)
            settled = await self._round(waiting, now)
            outcomes |= settled
            fruitless = 0 if settled else fruitless + 1
        tired = Unsettled(f"the account kept changing through {patience} decisions", is_contended=True)
        return tuple(outcomes.get(place, tired) for place in range(len(intents)))

    async def settle_due(self, now: datetime) -> int:
        """Let expire what is over, of at most :data:`DUE_BATCH` accounts; returns how many those were.

        :raises LedgerUnavailable: if the ledger gave no answer.
        """
        due = await self.wallets.due(DUE_BATCH)
        await self.settle([SettleDues(user_id=user_id) for user_id in due], now)
        return len(due)

    async def _let_others_go_first(self, fruitless: int) -> None:
        # The first conflict may be the only one, and a hold's end is written in a round that has no outcome.
        if self.pauses is not None and fruitless > 1:
            await self.pauses.pause(at_most_milliseconds=min(2 ** (fruitless - 1), LONGEST_PAUSE_MILLISECONDS))

    async def _round(self, waiting: Mapping[int, Intent], now: datetime) -> dict[int, Outcome]:
        """The outcomes of those intents that need no further round."""
        found = await self._read([*waiting.values()])
        batches: list[Batch] = []

        def changes() -> Iterator[Sequence[Change]]:
            for batch in decide_in_batches(waiting, found, now, notify_below=self.notify_below):
                batches.append(batch)
                if batch.decided:
                    yield [decided.change for decided in batch.decided.values()]

        results = await self._write(changes(), are_many=len(waiting) > BATCH)
        outcomes = {place: outcome for batch in batches for place, outcome in batch.outcomes.items()}
        written = [item for batch in batches for item in batch.decided.items()]
        for (place, decided), result in zip(written, results, strict=True):
            outcome = outcome_of(waiting[place], decided, result)
            if outcome is not None:
                outcomes[place] = outcome
        await self._refresh(results)
        return outcomes

    async def _write(self, changes: Iterator[Sequence[Change]], *, are_many: bool) -> Sequence[CommitResult]:
        if are_many and self.overlap is not None:
            return await self.overlap.write(_Chain(self.ledger).commit, changes)
        together = [*itertools.chain.from_iterable(changes)]
        return await self.ledger.commit(together) if together else ()

    async def _read(self, intents: Sequence[Intent]) -> Holdings:
        return await self.wallets.holdings(
            user_ids=frozenset(intent.user_id for intent in intents if not isinstance(intent, CaptureHold | VoidHold)),
            keys=frozenset(key for intent in intents if (key := key_of(intent)) is not None),
            hold_ids=frozenset(intent.hold_id for intent in intents if isinstance(intent, CaptureHold | VoidHold)),
        )

    async def _refresh(self, results: Sequence[CommitResult]) -> None:
        # The commits' outbox holds the same refresh: a cache that is away now learns of it later, and so it does of
        # parts that were written before one that failed.
        newest = {
            account.user_id: account
            for result in results
            if isinstance(result, Committed | Duplicate)
            for account in result.accounts
        }
        with contextlib.suppress(CacheUnavailable):
            await self.cache.store_many([*newest.values()])


class _Chain:
    """A round's parts, each resting on those before: what a part did not commit, no later part is decided on top of.

    A rival may have brought the account to the revision that a later part expects, but not to what it was decided on.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._broken: set[UserId] = set()

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        users = [change.account.user_id if change.account is not None else None for change in changes]
        are_good = [user not in self._broken for user in users]
        good = [change for change, is_good in zip(changes, are_good, strict=True) if is_good]
        results = iter(await self._ledger.commit(good) if good else ())
        answers = tuple([next(results) if is_good else Conflict("account") for is_good in are_good])
        self._broken.update(
            user
            for user, answer in zip(users, answers, strict=True)
            if user is not None and not isinstance(answer, Committed)
        )
        return answers
