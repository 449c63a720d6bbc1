"""Intents of many callers of one process, done in few calls: those that arrive while one is in flight go together.

Intents that name one account are never in two batches at once, so those of a busy account are decided together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from adapters.batching.batcher import Gatherer
from adapters.batching.group_commit import ledger_errors
from adapters.batching.limits import Limits
from domain.decisions.batches import Outcome, Unsettled
from domain.decisions.operations import CaptureHold, Intent, VoidHold
from domain.ports.coordination import Clock
from domain.ports.ledger import LedgerRefused
from domain.values.accounts import UserId

INTENTS = Limits(calls=2, requests=256)

PATIENCE = 3
"""Fruitless rounds before a batch is answered, and what others keep from being done is asked for again: nobody waits
for what another's account waits for.
"""
TRIES = 20
"""Batches that an intent is in, at most."""


class BatchesOfCredits(Protocol):
    """Does many intents at once, as the use case does.

    Both methods raise :class:`domain.ports.ledger.LedgerUnavailable`.
    """

    async def settle(self, intents: Sequence[Intent], now: datetime, *, patience: int = ...) -> tuple[Outcome, ...]:
        """Do each intent once; one outcome for each, in their order."""
        ...

    async def settle_due(self, now: datetime) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of a batch of accounts; what came of it, for each of those."""
        ...


class GatheredCredits:
    """Does what callers ask of credits, by a desk."""

    def __init__(self, desk: BatchesOfCredits, clock: Clock, *, limits: Limits = INTENTS) -> None:
        self._desk = desk
        self._clock = clock
        # To do an intent again is harmless: it is known by its key, or by its hold. So a batch that the ledger refused
        # as a whole is done again in parts, whatever was done of it.
        self._gatherer: Gatherer[Intent, Outcome] = Gatherer(
            self._settle, limits=limits, keys=_accounts, divisible=lambda error: isinstance(error, LedgerRefused)
        )

    async def settle(self, intent: Intent) -> Outcome:
        """Do the intent once.

        :raises LedgerUnavailable: if the ledger gave no answer; asking again under its key is harmless.
        :raises LedgerBusy: if too much waits, and the intent is not done.
        """
        with ledger_errors():
            for _ in range(TRIES):
                outcome = await self._gatherer.ask(intent)
                if not (isinstance(outcome, Unsettled) and outcome.is_contended):
                    break
            return outcome

    async def settle_due(self) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of a batch of accounts; what came of it, for each of those.

        :raises LedgerUnavailable: if the ledger gave no answer.
        """
        return await self._desk.settle_due(self._clock.now())

    async def aclose(self) -> None:
        """Do what was accepted; what is too late is told so."""
        await self._gatherer.aclose()

    async def _settle(self, intents: Sequence[Intent]) -> tuple[Outcome, ...]:
        try:
            return await self._desk.settle(intents, self._clock.now(), patience=PATIENCE)
        except LedgerRefused as refused:
            if refused.is_final and len(intents) == 1:
                return (Unsettled(f"the ledger refuses it: {refused.cause}"),)
            raise


def _accounts(intent: Intent) -> tuple[str, ...]:
    # Whose a hold is, only the ledger knows: two settlements of one account may meet, and are decided again.
    return (intent.hold_id,) if isinstance(intent, CaptureHold | VoidHold) else (intent.user_id,)
