"""Events as the inbox stores them, with their status."""

import enum
from datetime import datetime

import attrs

from domain.payments.reports import InboxEvent


class EventStatus(enum.StrEnum):
    """The status of an inbox event."""

    RECEIVED = "received"
    APPLIED = "applied"
    NOTHING_NEW = "nothing_new"
    IGNORED = "ignored"
    PARKED = "parked"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Return whether the event needs no further decision, even if it is delivered again."""
        return self in {EventStatus.APPLIED, EventStatus.NOTHING_NEW, EventStatus.IGNORED}


@attrs.frozen(kw_only=True)
class EventDecision:
    """An inbox event with the status that was decided for it."""

    event: InboxEvent
    status: EventStatus
    reason: str | None = None
    again: bool = False
    """Whether it is decided again although its status was final, at an operator's request."""


@attrs.frozen(kw_only=True)
class InboxRecord:
    """An event as the inbox stores it."""

    id: str
    type: str
    status: EventStatus
    reason: str | None
    attempts: int
    received_at: datetime
    session_id: str | None
    object_id: str | None
    purchase_id: str | None
    body: str | None = None
    """The exact signed text; None in lists."""
