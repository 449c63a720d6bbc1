"""Group commit: the ledger's reads and writes of many callers in one process, combined into few calls.

If one change makes a whole call fail, it is found by repeating the call in parts. That is safe if the ledger answered
that nothing was written. If it did not answer, every caller learns that the outcome is unknown, and nothing is repeated
here: on a retry, events, purchases and requests are recognised by their keys.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from adapters.batching.batcher import Batcher
from adapters.batching.known_links import KnownLinks
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull
from domain.changes.changes import Change, CommitResult, Committed, Rejected, Snapshot, SnapshotQuery
from domain.ports.ledger import LedgerBusy, LedgerRefused, LedgerUnavailable

COMMITS = READS = Limits(calls=2, requests=128)
"""Concurrent calls, each of which occupies a Postgres process."""

RETRY_AFTER_SECONDS = 2


class ManyLedger(Protocol):
    """A ledger that takes many requests at once. Methods raise :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def read_all(self, queries: Sequence[SnapshotQuery]) -> tuple[Snapshot, ...]:
        """Return one snapshot per query."""
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change completely or not at all; return one result per change, in their order."""
        ...


class GroupCommit:
    """Implements the port Ledger in front of a ledger that answers many requests in one call."""

    def __init__(self, ledger: ManyLedger, *, commits: Limits = COMMITS, reads: Limits = READS) -> None:
        self._ledger = ledger
        self._commits = Batcher(
            self._commit, limits=commits, keys=_touched, weight=_weight, can_bisect=_is_known_to_have_no_effect
        )
        self.recent_links = KnownLinks()
        self._reads = Batcher(ledger.read_all, limits=reads, can_bisect=_is_known_to_have_no_effect)

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases behind the links.

        :raises LedgerUnavailable: if it could not be reached; :class:`domain.ports.ledger.LedgerBusy` if too many wait.
        """
        with ledger_errors():
            return await self._reads.submit(query)

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change completely or not at all; changes of one account in their order.

        :raises LedgerUnavailable: if the outcome of one is unknown; :class:`domain.ports.ledger.LedgerBusy` if too much
            waits to be written, and none of these is.
        """
        with ledger_errors():
            if len(changes) == 1:
                return (await self._commit_one(changes[0]),)
            return await self._commits.submit_all(changes)

    async def aclose(self) -> None:
        """Finish the accepted writes; reject later ones."""
        await self._commits.aclose()
        await self._reads.aclose()

    async def _commit_one(self, change: Change) -> CommitResult:
        result = await self._commits.submit(change)
        if isinstance(result, Committed) and change.revision is not None:
            event_id = change.event.event.id if change.event is not None else None
            self.recent_links.add(change.revision.purchase.links, event_id)
        return result

    async def _commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        try:
            return await self._ledger.commit(changes)
        except LedgerRefused as refused:
            if refused.is_final and len(changes) == 1:
                return (Rejected(refused.cause),)
            raise


@contextlib.contextmanager
def ledger_errors() -> Iterator[None]:
    """Translate the batcher's errors inside the block into the domain's.

    :raises LedgerBusy: if the queue is full, or the process is shutting down.
    :raises LedgerUnavailable: if the process ended before the ledger answered.
    """
    try:
        yield
    except QueueFull:
        raise LedgerBusy("too many requests wait for the ledger", RETRY_AFTER_SECONDS) from None
    except Closed:
        raise LedgerBusy("this process is shutting down", RETRY_AFTER_SECONDS) from None
    except Interrupted:
        raise LedgerUnavailable("this process was stopped before the ledger answered") from None


def _is_known_to_have_no_effect(error: Exception) -> bool:
    return isinstance(error, LedgerRefused)


def _touched(change: Change) -> frozenset[str]:
    """Return the keys that the ledger locks for a change: waiting for one of our own locks would delay a whole call."""
    touched: set[str] = {posting.user_id for posting in change.postings}
    touched.update(hold.user_id for hold in change.holds)
    if change.revision is not None:
        touched.add(change.revision.id)
        touched.update(absorbed.id for absorbed in change.revision.absorbed)
    touched.update(other.id for other in change.others)
    touched.update(end.user_id for end in change.ends)
    if change.subscription is not None:
        touched.add(change.subscription.id)
    if change.event is not None:
        touched.add(change.event.event.id)
    return frozenset(touched)


def _weight(change: Change) -> int:
    """Return the approximate number of bytes sent for a change."""
    body = len(change.event.event.body) if change.event is not None else 0
    return 1_000 + body + 500 * (len(change.postings) + len(change.holds))
