"""Batches the credit operations of many callers: those that arrive while a call is in flight share the next one.

Operations that name the same account are never in two batches at once, so those of a busy account are decided together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from adapters.batching.batcher import Batcher
from adapters.batching.group_commit import ledger_errors
from adapters.batching.limits import Limits
from domain.decisions.batches import NotCommitted, Outcome
from domain.decisions.operations import CaptureHold, CreditOperation, VoidHold
from domain.ports.ledger import LedgerRefused
from domain.values.accounts import UserId

OPERATIONS = Limits(calls=2, requests=256)

PATIENCE = 3
"""The number of fruitless rounds before a batch is answered and its contended operations are submitted again, so that
one contended account does not delay the others.
"""
TRIES = 20
"""The maximum number of batches in which an operation is tried."""


class BatchesOfCredits(Protocol):
    """Executes many operations at once; the use case does.

    Both methods raise :class:`domain.ports.ledger.LedgerUnavailable`.
    """

    async def execute(self, operations: Sequence[CreditOperation], *, patience: int = ...) -> tuple[Outcome, ...]:
        """Execute each operation once; return one outcome for each, in their order."""
        ...

    async def execute_overdue(self) -> Mapping[UserId, Outcome]:
        """Expire overdue holds and grants on a batch of accounts; return the outcome for each of them."""
        ...


class BatchedCreditService:
    """Executes credit operations in batches, by the service below it."""

    def __init__(
        self, service: BatchesOfCredits, *, limits: Limits = OPERATIONS, begin: Callable[[], None] = lambda: None
    ) -> None:
        """Execute by a service; `begin` starts what each batch may wait for the cache and the locks."""
        self._service = service
        self._begin = begin
        # Repeating an operation is safe: its key or its hold identifies it. So a batch that the ledger rejected as a
        # whole is repeated in parts, even if some of it was done.
        self._batcher: Batcher[CreditOperation, Outcome] = Batcher(
            self._execute, limits=limits, keys=_accounts, can_bisect=lambda error: isinstance(error, LedgerRefused)
        )

    async def execute(self, operation: CreditOperation) -> Outcome:
        """Execute the operation once.

        :raises LedgerUnavailable: if the ledger did not answer; retrying with the same key is safe.
        :raises LedgerBusy: if the queue is full; the operation was not executed.
        """
        with ledger_errors():
            for _ in range(TRIES):
                outcome = await self._batcher.submit(operation)
                if not (isinstance(outcome, NotCommitted) and outcome.is_contended):
                    break
            return outcome

    async def execute_overdue(self) -> Mapping[UserId, Outcome]:
        """Expire overdue holds and grants on a batch of accounts; return the outcome for each of them.

        :raises LedgerUnavailable: if the ledger did not answer.
        """
        return await self._service.execute_overdue()

    async def aclose(self) -> None:
        """Finish the accepted operations; reject later ones."""
        await self._batcher.aclose()

    async def _execute(self, operations: Sequence[CreditOperation]) -> tuple[Outcome, ...]:
        self._begin()
        try:
            return await self._service.execute(operations, patience=PATIENCE)
        except LedgerRefused as refused:
            if refused.is_final and len(operations) == 1:
                return (NotCommitted(f"the ledger rejected it: {refused.cause}"),)
            raise


def _accounts(operation: CreditOperation) -> tuple[str, ...]:
    # Only the ledger knows a hold's owner: two settlements on one account may conflict, and are decided again.
    return (operation.hold_id,) if isinstance(operation, CaptureHold | VoidHold) else (operation.user_id,)
