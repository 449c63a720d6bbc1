"""Checkouts of subscriptions that a customer has open at Stripe, closed so that only the last one can be paid."""

from typing import Any

import stripe

from adapters.stripe.connection import pages, plain, translated
from adapters.stripe.objects import fields
from domain.payments.subscriptions import SubscriptionId
from domain.values.customers import CustomerId

OPEN_SECONDS = 24 * 60 * 60
"""A session expires by itself after so many seconds at most."""


async def close_earlier(sessions: Any, session_id: str, customer_id: CustomerId) -> tuple[SubscriptionId, ...]:
    """Expire the customer's open subscription sessions that began before this one, by Stripe's session service.

    Return the subscriptions of those that were completed within the last day.

    :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects a request.
    """
    found = await _of_the_last_day(sessions, session_id, customer_id)
    own = next((one for one in found if one.get("id") == session_id), None)
    completed = []
    for one in found:
        if one.get("mode") != "subscription" or one is own:
            continue
        is_earlier = own is not None and _place(one) < _place(own)
        is_open = one.get("status") == "open"
        after = await close(sessions, str(one.get("id"))) if is_open and is_earlier else one
        subscription = fields.identifier(after.get("subscription"))
        if after.get("status") == "complete" and subscription is not None:
            completed.append(SubscriptionId(subscription))
    return tuple(completed)


async def close(sessions: Any, session_id: str) -> dict[str, Any]:
    """Expire the session and return it; one that is no longer open is returned as it is.

    :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
    """
    with translated():
        try:
            return plain(await sessions.expire_async(session_id))
        except stripe.InvalidRequestError:
            return plain(await sessions.retrieve_async(session_id))


async def _of_the_last_day(sessions: Any, session_id: str, customer_id: CustomerId) -> list[dict[str, Any]]:
    """Return the customer's sessions, newest first, down to a day before this one."""
    found: list[dict[str, Any]] = []
    since = 0
    async for one in pages(sessions.list_async, {"customer": customer_id}):
        if one.get("id") == session_id:
            since = _place(one)[0] - OPEN_SECONDS
        if _place(one)[0] < since:
            break
        found.append(one)
    return found


def _place(session: dict[str, Any]) -> tuple[int, str]:
    created = session.get("created")
    return (created if isinstance(created, int) else 0), str(session.get("id"))
