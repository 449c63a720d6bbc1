"""The ledger, asked by many callers of one process in few calls.

A change that a call fails for as a whole is found by repeating the call in parts, which is safe where the ledger
answered that nothing was written. Where it did not answer, all that were in the call are told that the outcome is
unknown, and nothing is repeated here: events, purchases and requests are known again by their keys when they are.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from adapters.batching.batcher import Batcher
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull
from domain.changes.changes import Change, CommitResult, Rejected, Snapshot, SnapshotQuery
from domain.ports.ledger import LedgerBusy, LedgerRefused, LedgerUnavailable

COMMITS = READS = Limits(calls=2, requests=128, batch_size_min=16)
"""Two calls are two processes of Postgres at work."""

RETRY_AFTER_SECONDS = 2


class ManyLedger(Protocol):
    """A ledger that answers many in one call. Both methods raise :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def read_all(self, queries: Sequence[SnapshotQuery]) -> tuple[Snapshot, ...]:
        """Return what it knows for each query."""
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; one result per change, in their order."""
        ...


class GroupCommit:
    """Implements the port Ledger in front of a ledger that answers many in one call."""

    def __init__(self, ledger: ManyLedger, *, commits: Limits = COMMITS, reads: Limits = READS) -> None:
        self._ledger = ledger
        self._commits = Batcher(
            self._commit, limits=commits, keys=_touched, weight=_weight, can_bisect=_is_known_to_have_no_effect
        )
        self._reads = Batcher(ledger.read_all, limits=reads, can_bisect=_is_known_to_have_no_effect)

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases behind the links.

        :raises LedgerUnavailable: if it could not be asked; :class:`domain.ports.ledger.LedgerBusy` if too many ask.
        """
        with ledger_errors():
            return await self._reads.submit(query)

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; those of one account in their order.

        :raises LedgerUnavailable: if the outcome of one is unknown; :class:`domain.ports.ledger.LedgerBusy` if too much
            waits to be written, and none of these is.
        """
        with ledger_errors():
            if len(changes) == 1:
                return (await self._commits.submit(changes[0]),)
            return await self._commits.submit_all(changes)

    async def aclose(self) -> None:
        """Write what was accepted; what is too late is told so."""
        await self._commits.aclose()
        await self._reads.aclose()

    async def _commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        try:
            return await self._ledger.commit(changes)
        except LedgerRefused as refused:
            if refused.is_final and len(changes) == 1:
                return (Rejected(refused.cause),)
            raise


@contextlib.contextmanager
def ledger_errors() -> Iterator[None]:
    """Return the batcher's errors inside the block, in the domain's words.

    :raises LedgerBusy: if too much waits, or the process is about to end.
    :raises LedgerUnavailable: if the process ended before the ledger answered.
    """
    try:
        yield
    except QueueFull:
        raise LedgerBusy("too much waits for the ledger", RETRY_AFTER_SECONDS) from None
    except Closed:
        raise LedgerBusy("this process is about to end", RETRY_AFTER_SECONDS) from None
    except Interrupted:
        raise LedgerUnavailable("this process ended before the ledger answered") from None


def _is_known_to_have_no_effect(error: Exception) -> bool:
    return isinstance(error, LedgerRefused)


def _touched(change: Change) -> frozenset[str]:
    """Return what the ledger locks for a change: what waits for a lock of ours would hold up a call of others."""
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
    """Return about how many bytes are sent for a change."""
    body = len(change.event.event.body) if change.event is not None else 0
    return 1_000 + body + 500 * (len(change.postings) + len(change.holds))
