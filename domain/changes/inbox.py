"""Events as the inbox keeps them, and what was decided about each."""

import enum
from datetime import datetime

import attrs

from domain.payments.reports import InboxEvent


class EventStatus(enum.StrEnum):
    """What became of an inbox event."""

    RECEIVED = "received"
    APPLIED = "applied"
    NOTHING_NEW = "nothing_new"
    IGNORED = "ignored"
    PARKED = "parked"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether a repetition of the event needs no second decision."""
        return self in {EventStatus.APPLIED, EventStatus.NOTHING_NEW, EventStatus.IGNORED}


@attrs.frozen(kw_only=True)
class EventDecision:
    """An inbox event with what was decided about it."""

    event: InboxEvent
    status: EventStatus
    reason: str | None = None
    again: bool = False
    """Whether it is decided again although it was final: by an operator's wish, with a newer translation."""


@attrs.frozen(kw_only=True)
class InboxRecord:
    """An event as it stands in the inbox."""

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
    """The exact text that was signed; None in lists."""
