"""Holds: credits reserved on specific grants before a cost is known."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import NewType

import attrs

from domain.credits.grants import Draw
from domain.values.accounts import UserId

HoldId = NewType("HoldId", str)
"""A UUID in its canonical lower-case form."""


class HoldStatus(enum.StrEnum):
    """A hold's status: open, then settled once in one of three ways."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


@attrs.frozen(kw_only=True)
class Hold:
    """Reserved credits; its draws sum to them."""

    id: HoldId
    user_id: UserId
    credits: int
    captured: int = 0
    status: HoldStatus = HoldStatus.OPEN
    idempotency_key: str
    expires_at: datetime
    draws: tuple[Draw, ...]
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def is_open(self) -> bool:
        """Return whether it still reserves credits."""
        return self.status is HoldStatus.OPEN
