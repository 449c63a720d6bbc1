"""Credit operations of many callers, done in few calls: those that arrive while one is in flight go together.

Operations that name one account are never in two batches at once, so those of a busy account are decided together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from adapters.batching.batcher import Batcher
from adapters.batching.group_commit import ledger_errors
from adapters.batching.limits import Limits
from domain.decisions.batches import NotCommitted, Outcome
from domain.decisions.operations import CaptureHold, CreditOperation, VoidHold
from domain.ports.coordination import Clock
from domain.ports.ledger import LedgerRefused
from domain.values.accounts import UserId

OPERATIONS = Limits(calls=2, requests=256)

PATIENCE = 3
"""Fruitless rounds before a batch is answered, and what others keep from being done is asked for again: nobody waits
for what another's account waits for.
"""
TRIES = 20
"""Batches that an operation is in, at most."""


class BatchesOfCredits(Protocol):
    """Does many operations at once, as the use case does.

    Both methods raise :class:`domain.ports.ledger.LedgerUnavailable`.
    """

    async def execute(
        self, operations: Sequence[CreditOperation], now: datetime, *, patience: int = ...
    ) -> tuple[Outcome, ...]:
        """Do each operation once; one outcome for each, in their order."""
        ...

    async def execute_overdue(self, now: datetime) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of a batch of accounts; what came of it, for each of those."""
        ...


class BatchedCreditService:
    """Does what callers ask of credits, by a desk."""

    def __init__(self, service: BatchesOfCredits, clock: Clock, *, limits: Limits = OPERATIONS) -> None:
        self._service = service
        self._clock = clock
        # To do an operation again is harmless: it is known by its key, or by its hold. So a batch that the ledger
        # refused as a whole is done again in parts, whatever was done of it.
        self._batcher: Batcher[CreditOperation, Outcome] = Batcher(
            self._execute, limits=limits, keys=_accounts, can_bisect=lambda error: isinstance(error, LedgerRefused)
        )

    async def execute(self, operation: CreditOperation) -> Outcome:
        """Do the operation once.

        :raises LedgerUnavailable: if the ledger gave no answer; asking again under its key is harmless.
        :raises LedgerBusy: if too much waits, and the operation is not done.
        """
        with ledger_errors():
            for _ in range(TRIES):
                outcome = await self._batcher.submit(operation)
                if not (isinstance(outcome, NotCommitted) and outcome.is_contended):
                    break
            return outcome

    async def execute_overdue(self) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of a batch of accounts; what came of it, for each of those.

        :raises LedgerUnavailable: if the ledger gave no answer.
        """
        return await self._service.execute_overdue(self._clock.now())

    async def aclose(self) -> None:
        """Do what was accepted; what is too late is told so."""
        await self._batcher.aclose()

    async def _execute(self, operations: Sequence[CreditOperation]) -> tuple[Outcome, ...]:
        try:
            return await self._service.execute(operations, self._clock.now(), patience=PATIENCE)
        except LedgerRefused as refused:
            if refused.is_final and len(operations) == 1:
                return (NotCommitted(f"the ledger rejected it: {refused.cause}"),)
            raise


def _accounts(operation: CreditOperation) -> tuple[str, ...]:
    # Whose a hold is, only the ledger knows: two settlements of one account may meet, and are decided again.
    return (operation.hold_id,) if isinstance(operation, CaptureHold | VoidHold) else (operation.user_id,)
