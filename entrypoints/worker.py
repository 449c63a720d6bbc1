"""The worker: delivers the outbox for as long as the service runs."""

import asyncio
import logging

from domain.ports import LedgerUnavailable
from domain.usecases.deliver_messages import BATCH, OutboxWorker

IDLE_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0

log = logging.getLogger("credence.worker")


async def run_forever(worker: OutboxWorker) -> None:
    """Deliver until cancelled; a ledger that is away is asked again, less and less often."""
    pause = IDLE_SECONDS
    while True:
        try:
            claimed = await worker.run_once()
            pause = 0.0 if claimed == BATCH else IDLE_SECONDS
        except LedgerUnavailable as unavailable:
            pause = min(max(pause, IDLE_SECONDS) * 2, MAX_BACKOFF_SECONDS)
            log.warning("The outbox waits: %s", unavailable.cause)
        except Exception:
            pause = MAX_BACKOFF_SECONDS
            log.exception("The outbox waits")
        await asyncio.sleep(pause)
