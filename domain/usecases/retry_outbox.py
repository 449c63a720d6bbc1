"""Retry the outbox: list the messages whose delivery failed for good, and queue one again."""

import attrs

from domain.changes.outbox import FailedMessage
from domain.ports.inbox import Outbox

_MAX_ID = 2**63 - 1


@attrs.frozen(kw_only=True)
class OutboxRetrier:
    """Works on the messages whose delivery failed."""

    outbox: Outbox

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """Return at most `limit` messages whose delivery failed, newest first.

        :raises LedgerUnavailable: if the outbox could not be reached.
        """
        return await self.outbox.failures(limit)

    async def retry(self, message_id: int) -> bool:
        """Queue a failed message for delivery again; return whether there is one with that id.

        :raises LedgerUnavailable: if the outbox could not be written.
        """
        return 0 < message_id <= _MAX_ID and await self.outbox.retry(message_id)
