"""Credit operations: what callers ask of an account's credits, under which key, and the answers they get.

An operation under an idempotency key is done once. Its first answer is kept with the key and given to repetitions.
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
"""The longest that credits may be set aside."""

MAX_REASON = 500
"""Characters of why an operator gives or corrects."""

MAX_OPERATOR_NAME = 100
"""Characters of who does so."""

RESERVED_NAME = "hold_id"
"""The name in an entry's metadata by which a capture tells its hold; a hold has no metadata of that name."""

GRANTABLE = {
    EntryKind.PROMOTION: PROMOTION_PRIORITY,
    EntryKind.GOODWILL: GOODWILL_PRIORITY,
}
"""The grants that an operator gives, with the priorities at which they burn."""


@attrs.frozen(kw_only=True)
class Spend:
    """Take credits for usage."""

    user_id: UserId
    credits: int
    key: str
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PlaceHold:
    """Set credits aside until they are captured, voided, or the time is over."""

    hold_id: HoldId
    """A new one, which a repetition does not use."""
    user_id: UserId
    credits: int
    key: str
    lasts: timedelta
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class CaptureHold:
    """Take what a hold set aside, or a part of it; the rest is free again."""

    hold_id: HoldId
    credits: int | None = None
    """None for all of it."""


@attrs.frozen(kw_only=True)
class VoidHold:
    """Free what a hold set aside."""

    hold_id: HoldId


@attrs.frozen(kw_only=True)
class GrantCredits:
    """Put credits on an account that nobody paid for, by an operator's wish."""

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
    """Correct an account by a signed amount, by an operator's wish; it takes no more than is available."""

    user_id: UserId
    credits: int
    key: str
    reason: str
    operator: str


@attrs.frozen(kw_only=True)
class ExpireOverdue:
    """Let holds and grants expire whose time is over."""

    user_id: UserId


CreditOperation = Spend | PlaceHold | CaptureHold | VoidHold | GrantCredits | AdjustCredits | ExpireOverdue


@attrs.frozen(kw_only=True)
class EntryAnswer:
    """What an entry made of an account; `credits` is signed as the entry is."""

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
    """A hold, and what it made of an account."""

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
    """The key under which the operation's first answer is kept; a hold is settled under its own name."""
    match operation:
        case CaptureHold(hold_id=hold_id) | VoidHold(hold_id=hold_id):
            return f"hold:{hold_id}:settled"
        case ExpireOverdue():
            return None
        case _:
            return f"key:{operation.key}"


def content_of(operation: CreditOperation) -> FlatJson:
    """What the operation asks, to be compared with a repetition's; a new hold's own id is not asked for."""
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
    """The names of what differs between two requests under one key; none for a repetition."""
    return tuple(sorted(name for name in {*kept, *asked} if kept.get(name) != asked.get(name)))


def answer_of(kept: IdempotencyRecord) -> Answer:
    """The first answer, as it was given."""
    kind = HoldAnswer if "captured" in kept.answer else EntryAnswer
    return kind(**kept.answer)  # type: ignore[arg-type]  # it was made of that class, by attrs.asdict
