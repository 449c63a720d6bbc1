"""Use credits: spends, holds and grants, many operations at once: read once, decide each, commit together.

A busy account costs one read and few commits for all that is asked of it at the same moment.
"""

import contextlib
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from domain.changes.changes import CommitResult, Committed, Conflict, Duplicate, ExpectedAccount, Holdings
from domain.decisions.batches import (
    NotCommitted,
    Outcome,
    SpeculativeAccounts,
    commit_plan,
    expected_after,
    outcome_from,
    owner_of,
)
from domain.decisions.operations import CaptureHold, CreditOperation, ExpireOverdue, VoidHold, key_of
from domain.decisions.spending import Decided
from domain.ports.cache import CacheUnavailable, QuotaCache
from domain.ports.coordination import AccountLocks, Backoff, LateArrivals, WritePipeline
from domain.ports.ledger import Ledger, Wallets
from domain.values.accounts import UserId

BATCH = 16
"""So many operations are decided at a time, while those before them are being written."""

MAX_ROUNDS = 20
"""Rounds in which nothing was done, against accounts that keep moving on."""

LONGEST_PAUSE_MILLISECONDS = 50
"""Pauses before further rounds grow up to this one; all of them are below a second."""

OVERDUE_BATCH = 100


@attrs.frozen(kw_only=True)
class CreditService:
    """Does what callers ask of credits; any number may work at once."""

    ledger: Ledger
    wallets: Wallets
    cache: QuotaCache
    notify_below: int | None = None
    """The threshold of a low balance, for accounts that have none of their own."""
    backoff: Backoff | None = None
    """Between rounds in which nothing was done; None where nobody else works."""
    locks: AccountLocks | None = None
    """At accounts that other processes want as well; None where nobody else works."""
    pipeline: WritePipeline | None = None
    """How some are decided while others are written; None to decide all and then write them."""

    async def execute(
        self,
        operations: Sequence[CreditOperation],
        now: datetime,
        *,
        patience: int = MAX_ROUNDS,
        late_arrivals: LateArrivals | None = None,
    ) -> tuple[Outcome, ...]:
        """Do each operation once, as if one after the other; one outcome for each, in their order.

        What is not settled after so many fruitless rounds is contended, and may be asked for again. Callers hear of
        each outcome as soon as it is so; what they ask for meanwhile is done too, and has its outcomes last.

        :raises LedgerUnavailable: if the ledger gave no answer. What was done is done, and is found by its keys.
        """
        requests = _Requests(operations, now, late_arrivals)
        fruitless = 0
        while fruitless < patience:
            waiting = requests.waiting()
            if not waiting:
                break
            await self._let_others_go_first(fruitless)
            await self._round(waiting, requests)
            fruitless = 0 if waiting.keys() - requests.waiting().keys() else fruitless + 1
        return requests.outcomes(
            NotCommitted(f"the account kept changing through {patience} decisions", is_contended=True)
        )

    async def execute_overdue(self, now: datetime) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of at most :data:`OVERDUE_BATCH` accounts; what came of it, for each of those.

        :raises LedgerUnavailable: if the ledger gave no answer.
        """
        due = await self.wallets.accounts_with_overdue(OVERDUE_BATCH)
        outcomes = await self.execute([ExpireOverdue(user_id=user_id) for user_id in due], now)
        return dict(zip(due, outcomes, strict=True))

    async def _let_others_go_first(self, fruitless: int) -> None:
        # The first conflict may be the only one, and a hold's end is written in a round that has no outcome.
        if self.backoff is not None and fruitless > 1:
            await self.backoff.sleep(at_most_milliseconds=min(2 ** (fruitless - 1), LONGEST_PAUSE_MILLISECONDS))

    async def _round(self, waiting: Mapping[int, CreditOperation], requests: "_Requests") -> None:
        """Read once, then decide and write; what others want as well comes after that, in its turn."""
        found = await self._read([*waiting.values()])
        contended = self.locks.contended(found.wallets.keys()) if self.locks is not None else frozenset()
        apart = {
            place: operation for place, operation in waiting.items() if owner_of(operation, found) not in contended
        }
        if apart:
            await self._work(apart, found, requests, may_grow=not contended)
        if self.locks is not None and len(apart) < len(waiting):
            in_turn = {place: operation for place, operation in waiting.items() if place not in apart}
            async with self.locks.lock(contended):
                await self._work(in_turn, await self._read([*in_turn.values()]), requests, may_grow=False)

    async def _work(
        self, waiting: Mapping[int, CreditOperation], found: Holdings, requests: "_Requests", *, may_grow: bool
    ) -> None:
        accounts = SpeculativeAccounts(found, notify_below=self.notify_below)
        is_pipelined = self.pipeline is not None and len(waiting) > BATCH
        writes = _PendingWrites(self, accounts, requests, waiting, may_grow=is_pipelined and may_grow)
        if self.pipeline is not None and is_pipelined:
            await self.pipeline.run(writes.decide, writes.commit, writes.acknowledge)
        elif together := [*itertools.chain.from_iterable(iter(writes.decide, []))]:
            await writes.acknowledge(await writes.commit(together))

    async def _read(self, operations: Sequence[CreditOperation]) -> Holdings:
        return await self.wallets.holdings(
            user_ids=frozenset(
                operation.user_id for operation in operations if not isinstance(operation, CaptureHold | VoidHold)
            ),
            keys=frozenset(key for operation in operations if (key := key_of(operation)) is not None),
            hold_ids=frozenset(
                operation.hold_id for operation in operations if isinstance(operation, CaptureHold | VoidHold)
            ),
        )

    async def refresh(self, results: Sequence[CommitResult]) -> frozenset[UserId]:
        """Let the cache learn of what was committed, if it can be reached; returns those that others want as well."""
        # The commits' outbox holds the same refresh: a cache that is away now learns of it later.
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
        return self.locks.contended(newest.keys()) if self.locks is not None else frozenset()


class _Requests:
    """What is asked for, each at its place, and the outcomes so far."""

    def __init__(
        self, operations: Sequence[CreditOperation], now: datetime, late_arrivals: LateArrivals | None
    ) -> None:
        self.now = now
        self._operations = [*operations]
        self._outcomes: dict[int, Outcome] = {}
        self._late_arrivals = late_arrivals

    def waiting(self) -> dict[int, CreditOperation]:
        return {place: operation for place, operation in enumerate(self._operations) if place not in self._outcomes}

    def joined(self) -> dict[int, CreditOperation]:
        if self._late_arrivals is None:
            return {}
        first = len(self._operations)
        joined, self.now = self._late_arrivals.take()
        self._operations += joined
        return dict(enumerate(joined, start=first))

    def resolve(self, place: int, outcome: Outcome) -> None:
        self._outcomes[place] = outcome
        if self._late_arrivals is not None:
            self._late_arrivals.resolve(place, outcome)

    def outcomes(self, otherwise: Outcome) -> tuple[Outcome, ...]:
        return tuple([self._outcomes.get(place, otherwise) for place in range(len(self._operations))])


@attrs.frozen
class _PendingChange:
    """What was decided about the operation at a place."""

    place: int
    operation: CreditOperation
    decided: Decided


class _PendingWrites:
    """What is decided and written in a round, a part at a time, each resting on those before.

    What was not committed breaks the chain of its account: what was decided on top of it is not sent any more. What is
    on its way by then names how the account must stand, and comes to nothing where it does not.
    """

    def __init__(
        self,
        service: CreditService,
        accounts: SpeculativeAccounts,
        requests: _Requests,
        waiting: Mapping[int, CreditOperation],
        *,
        may_grow: bool,
    ) -> None:
        self._service = service
        self._accounts = accounts
        self._requests = requests
        self._waiting = deque(waiting.items())
        self._may_grow = may_grow
        """Whether more may join: not while somebody waits for a newer look."""
        self._are_later = False
        self._broken: set[UserId] = set()
        self._expected: dict[UserId, ExpectedAccount] = {}
        """As what was sent leaves them."""

    def decide(self) -> list[_PendingChange]:
        """Return what is to be written next; nothing if nothing can be decided now."""
        while batch := self._batch():
            decide = self._accounts.decide_later if self._are_later else self._accounts.decide
            made = decide(batch, self._requests.now)
            for place, outcome in made.outcomes.items():
                self._requests.resolve(place, outcome)
            self._may_grow = self._may_grow and len(made.decided) + len(made.outcomes) == len(batch)
            if made.decided:
                return [_PendingChange(place, batch[place], decided) for place, decided in made.decided.items()]
        return []

    async def commit(self, pendings: Sequence[_PendingChange]) -> list[tuple[_PendingChange, CommitResult]]:
        """Commit what is not broken. More may be written before this is."""
        good = [pending for pending in pendings if pending.decided.guard.user_id not in self._broken]
        if not good:
            return []
        decided = [pending.decided for pending in good]
        changes = commit_plan(decided, self._expected)
        self._expected.update(expected_after(decided))
        results = await self._service.ledger.commit(changes)
        written = [*zip(good, results, strict=True)]
        self._learn(written)
        return written

    async def acknowledge(self, written: Sequence[tuple[_PendingChange, CommitResult]]) -> None:
        """Tell what came of it, once the cache knows."""
        try:
            contended = await self._service.refresh([result for _, result in written])
            self._may_grow = self._may_grow and not contended
        finally:
            # Whoever gives up waiting for the cache must not take along what is known.
            for pending, result in written:
                outcome = outcome_from(pending.operation, pending.decided, result)
                if outcome is not None:
                    self._requests.resolve(pending.place, outcome)

    def _learn(self, written: Sequence[tuple[_PendingChange, CommitResult]]) -> None:
        """Whose chains are broken, and by whom: what rested on a broken one says nothing of others."""
        conflicting: set[UserId] = set()
        for pending, result in written:
            user_id = pending.decided.guard.user_id
            if isinstance(result, Committed) or user_id in self._broken:
                continue
            self._broken.add(user_id)
            self._may_grow = False
            if isinstance(result, Conflict):
                conflicting.add(user_id)
        if conflicting and self._service.locks is not None:
            self._service.locks.mark_contended(conflicting)

    def _batch(self) -> dict[int, CreditOperation]:
        if self._may_grow and not self._waiting:
            self._are_later = True
            self._waiting.extend(self._requests.joined().items())
        return dict([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])
