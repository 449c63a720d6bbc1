"""Credit operations: what callers request, under which key, and the answers that they get.

An operation under an idempotency key is executed once. Its first answer is stored with the key and returned to retries.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from domain.changes.changes import FlatJson, IdempotencyRecord
from domain.credits.grants import GOODWILL_PRIORITY, PROMOTION_PRIORITY
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.values.accounts import UserId

MAX_HOLD = timedelta(days=7)
"""The maximum lifetime of a hold."""

MAX_REASON = 500
"""The maximum length in characters of an operator's reason."""

MAX_OPERATOR_NAME = 100
"""The maximum length in characters of an operator's name."""

RESERVED_NAME = "hold_id"
"""The metadata key under which a capture's entry stores its hold's id; reserved in a hold's metadata."""

GRANTABLE = {
    EntryKind.PROMOTION: PROMOTION_PRIORITY,
    EntryKind.GOODWILL: GOODWILL_PRIORITY,
}
"""The kinds of grants that operators can make, with their spending priorities."""


@attrs.frozen(kw_only=True)
class Spend:
    """Spend credits."""

    user_id: UserId
    credits: int
    key: str
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PlaceHold:
    """Reserve credits until they are captured, voided or the hold expires."""

    hold_id: HoldId
    """A new id; a retry gets the first one."""
    user_id: UserId
    credits: int
    key: str
    lasts: timedelta
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class CaptureHold:
    """Capture a hold's credits or a part of them; the rest is released."""

    hold_id: HoldId
    credits: int | None = None
    """The credits to capture; None for all."""


@attrs.frozen(kw_only=True)
class VoidHold:
    """Release a hold's credits."""

    hold_id: HoldId


@attrs.frozen(kw_only=True)
class GrantCredits:
    """Grant credits without a payment, at an operator's request."""

    user_id: UserId
    credits: int
    kind: EntryKind
    """One of :data:`GRANTABLE`."""
    key: str
    reason: str
    operator: str
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class AdjustCredits:
    """Adjust an account by a signed amount, at an operator's request; it takes no more than is available."""

    user_id: UserId
    credits: int
    key: str
    reason: str
    operator: str


@attrs.frozen(kw_only=True)
class ExpireOverdue:
    """Expire overdue holds and grants of an account."""

    user_id: UserId


CreditOperation = Spend | PlaceHold | CaptureHold | VoidHold | GrantCredits | AdjustCredits | ExpireOverdue


@attrs.frozen(kw_only=True)
class EntryAnswer:
    """The answer about an entry: the entry and the account after it; `credits` is signed."""

    user_id: str
    kind: str
    credits: int
    version: int
    balance: int
    held: int
    available: int
    created_at: str
    expires_at: str | None = None


@attrs.frozen(kw_only=True)
class HoldAnswer:
    """The answer about a hold: the hold and the account after it."""

    id: str
    user_id: str
    status: str
    credits: int
    captured: int
    expires_at: str
    balance: int
    held: int
    available: int


Answer = EntryAnswer | HoldAnswer


def key_of(operation: CreditOperation) -> str | None:
    """Return the key under which the first answer is stored; captures and voids use one derived from the hold's id."""
    match operation:
        case CaptureHold(hold_id=hold_id) | VoidHold(hold_id=hold_id):
            return f"hold:{hold_id}:settled"
        case ExpireOverdue():
            return None
        case _:
            return f"key:{operation.key}"


def most_taken(operation: CreditOperation) -> int:
    """Return how many credits the operation takes from grants at most, except those of a hold that it settles."""
    match operation:
        case Spend() | PlaceHold():
            return operation.credits
        case AdjustCredits():
            return max(0, -operation.credits)
        case _:
            return 0


def content_of(operation: CreditOperation) -> FlatJson:
    """Return the operation's parameters, to compare with a retry's; they exclude a new hold's id."""
    content: dict[str, str | int | None]
    match operation:
        case Spend():
            content = {"operation": "spend", "user_id": operation.user_id, "credits": operation.credits}
        case PlaceHold():
            content = {"operation": "hold", "user_id": operation.user_id, "credits": operation.credits}
            content["expires_in"] = int(operation.lasts.total_seconds())
        case CaptureHold():
            return {"operation": "capture", "hold_id": operation.hold_id, "credits": operation.credits}
        case VoidHold():
            return {"operation": "void", "hold_id": operation.hold_id}
        case ExpireOverdue():
            return {}
        case GrantCredits() | AdjustCredits():
            content = {"user_id": operation.user_id, "credits": operation.credits}
            content |= {"reason": operation.reason, "operator": operation.operator}
            if isinstance(operation, AdjustCredits):
                return {"operation": "adjustment", **content}
            ends = operation.expires_at
            return {"operation": operation.kind.value, **content, "expires_at": ends.isoformat() if ends else None}
    content["description"] = operation.description
    for name, text in operation.metadata.items():
        content[f"metadata.{name}"] = text
    return content


def differing_fields(kept: FlatJson, asked: FlatJson) -> tuple[str, ...]:
    """Return the names of the fields that differ between two requests under one key; empty for a retry."""
    return tuple(sorted(name for name in {*kept, *asked} if kept.get(name) != asked.get(name)))


def answer_of(kept: IdempotencyRecord) -> Answer:
    """Return the stored first answer."""
    kind = HoldAnswer if "captured" in kept.answer else EntryAnswer
    return kind(**kept.answer)  # type: ignore[arg-type]  # it was made from that class by attrs.asdict
