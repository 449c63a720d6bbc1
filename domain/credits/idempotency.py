"""Idempotency keys: the name of one operation, which changes the ledger once whoever repeats it.

A key names the state reached, never the step taken: two equal partial refunds reach two states and are two
entries; the same refund told twice reaches one.
"""

from datetime import datetime
from typing import NewType

from domain.credits.grants import GrantId
from domain.values.accounts import UserId

IdempotencyKey = NewType("IdempotencyKey", str)


def key_of_revision(
    purchase_id: str,
    revision: int,
    user_id: UserId,
    period_ends_at: datetime | None = None,
    *,
    returned_to: str | None = None,
) -> IdempotencyKey:
    """Return the key of the entry that brings `user_id` in line with a purchase's state at `revision`.

    Each grant of an invoice has entries of its own, named by the end of its period; and so has what returns to a grant,
    its own (`true`) or another by its id.
    """
    period = "" if period_ends_at is None else f":period={int(period_ends_at.timestamp())}"
    returned = "" if returned_to is None else f":returned={returned_to}"
    return IdempotencyKey(f"{purchase_id}:revision={revision}:{user_id}{period}{returned}")


def key_of_expiry(grant_id: GrantId, revision: int) -> IdempotencyKey:
    """The key of the entry that takes what is free of an expired grant, of an account at `revision`."""
    return IdempotencyKey(f"grant:{grant_id}:expiry:{revision}")


def key_of_capture(hold_id: str) -> IdempotencyKey:
    """The key of the entry that settles a hold; no caller's key makes it."""
    return IdempotencyKey(f"capture:{hold_id}")


def key_of_request(key: str) -> IdempotencyKey:
    """The key of the entry that a caller asked for under a key of theirs."""
    return IdempotencyKey(f"request:{key}")
