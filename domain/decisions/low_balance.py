"""Notices to the operator's own system when a balance falls below its threshold."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from domain.changes.outbox import Message, OutboxMessage
from domain.values.accounts import Account

LOW_BALANCE = "low_balance"
"""The outbox topic of an account whose available credits fell below their threshold."""


@attrs.frozen(kw_only=True)
class Notice:
    """A notice to send; `id` stays the same when it is sent again, so that the receiver can recognise it."""

    id: str
    type: str
    occurred_at: datetime
    content: Mapping[str, str | int]


@attrs.frozen(kw_only=True)
class Undelivered:
    """A notice that was not accepted, and why; `is_final` if the receiver wants no further attempts."""

    cause: str
    is_final: bool = False
    wants_pause_seconds: int = 0
    """The delay that the receiver asked for before the next attempt."""


def low_balance_due(before: Account, after: Account, default_threshold: int | None) -> OutboxMessage | None:
    """Return a message if the change takes the available credits below the threshold, else None.

    Further changes below the threshold make none until the credits have reached it again.
    """
    threshold = after.notify_below if after.notify_below is not None else default_threshold
    if threshold is None or not after.available < threshold <= before.available:
        return None
    return OutboxMessage(
        topic=LOW_BALANCE,
        key=f"{LOW_BALANCE}:{after.user_id}:{after.revision}",
        payload={
            "user_id": after.user_id,
            "balance": str(after.balance),
            "held": str(after.held),
            "available": str(after.available),
            "threshold": str(threshold),
        },
    )


def low_balance_notice(message: Message) -> Notice:
    """Return the notice for the message."""
    counts = {name: int(message.payload[name]) for name in ("balance", "held", "available", "threshold")}
    return Notice(
        id=message.key,
        type="credits.low_balance",
        occurred_at=message.created_at,
        content={"user_id": message.payload["user_id"], **counts},
    )
