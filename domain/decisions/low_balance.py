"""Notices: what an operator's own system is told, and the one occasion for it, a balance that runs low."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from domain.changes.outbox import Message, OutboxMessage
from domain.values.accounts import Account

LOW_BALANCE = "low_balance"
"""The outbox topic of an account whose available credits fell below their threshold."""


@attrs.frozen(kw_only=True)
class Notice:
    """Something to be told; `id` is the same whenever it is told again, so that a repetition can be recognised."""

    id: str
    type: str
    occurred_at: datetime
    content: Mapping[str, str | int]


@attrs.frozen(kw_only=True)
class Undelivered:
    """A notice that was not taken, and why; `is_final` where its receiver wants none any more."""

    cause: str
    is_final: bool = False
    wants_pause_seconds: int = 0
    """For how long the receiver asks not to be told again."""


def low_balance_due(before: Account, after: Account, default_threshold: int | None) -> OutboxMessage | None:
    """The message that a change of the account makes: one where it takes the available credits below the threshold.

    What goes on below it makes none, until the credits have been at the threshold again, or above.
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
    """What the message tells."""
    counts = {name: int(message.payload[name]) for name in ("balance", "held", "available", "threshold")}
    return Notice(
        id=message.key,
        type="credits.low_balance",
        occurred_at=message.created_at,
        content={"user_id": message.payload["user_id"], **counts},
    )
