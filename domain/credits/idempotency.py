"""Idempotency keys: names of operations, each of which changes the ledger once however often it is repeated.

A key names the state reached, never the step taken: two equal partial refunds reach two states and are two entries; the
same refund reported twice reaches one.
"""

from datetime import datetime
from typing import NewType

from domain.credits.grants import GrantId
from domain.values.accounts import UserId

IdempotencyKey = NewType("IdempotencyKey", str)


def key_of_revision(
    purchase_id: str,
    revision: int,
    user_id: UserId | None = None,
    period_ends_at: datetime | None = None,
    *,
    returned_to: str | None = None,
) -> IdempotencyKey:
    """Return the key of the entry that brings a user in line with a purchase's state at `revision`.

    `user_id` is None for the purchase's owner in that state. Each grant of an invoice has its own entries, named by
    the end of its period. So do credits that return to a grant: `true` for its own, otherwise the id of another.
    """
    period = "" if period_ends_at is None else f":period={int(period_ends_at.timestamp())}"
    returned = "" if returned_to is None else f":returned={returned_to}"
    user = "" if user_id is None else f":{user_id}"
    return IdempotencyKey(f"{purchase_id}:revision={revision}{user}{period}{returned}")


def key_of_expiry(grant_id: GrantId, revision: int) -> IdempotencyKey:
    """Return the key of the entry that expires the unreserved credits of a grant, of an account at `revision`."""
    return IdempotencyKey(f"grant:{grant_id}:expiry:{revision}")


def key_of_capture(hold_id: str) -> IdempotencyKey:
    """Return the key of the entry that settles a hold; no caller's key can collide with it."""
    return IdempotencyKey(f"capture:{hold_id}")


def key_of_request(key: str) -> IdempotencyKey:
    """Return the key of an entry that a caller requested under its own key."""
    return IdempotencyKey(f"request:{key}")
