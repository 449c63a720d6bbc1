"""Decides what to do next for a charge, so that it has one payment at the provider at most.

Every request for money of one charge is the same and has the same idempotency key, which the provider remembers for 24
hours at least (https://docs.stripe.com/api/idempotent_requests). So it is sent only within an hour of the first time,
and never before a look-up, unless it is the first. After that hour nothing is sent any more. What is not found a day
after the first request was never made: no request that was sent by then can still be on its way.
"""

import enum
from datetime import datetime, timedelta

from domain.payments.charges import Charge, ChargeStatus, Outcome, Undecided

SENT_WITHIN = timedelta(hours=1)
"""How long after the first request another may be sent."""

UNCLEAR_AT_MOST = timedelta(hours=24)
"""How long after the first request a payment may still appear at the provider."""

LEASE = timedelta(minutes=2)
"""How long one process has a charge for itself: longer than all of its requests take together."""

MAX_PAUSE_SECONDS = 600
MAX_PARKED_PAUSE_SECONDS = 3600
"""The longest pause of a charge that was paid and not credited: the inbox tries to add its credits as often."""


class Step(enum.Enum):
    """The next step of a charge."""

    PREPARE = "choose the card, and ask for the money"
    LOOK_UP = "find the payment"
    ABANDON = "give up, since nothing was ever asked for"


class AfterLookUp(enum.Enum):
    """The next step of a charge whose outcome a look-up did not show."""

    SEND = "ask for the money, once more"
    WAIT = "look again later"
    CANCEL = "cancel the payment that was found"
    ABANDON = "give up, since no payment was made"


def next_step(charge: Charge, now: datetime) -> Step:
    """Return the next step of a charge that is not final."""
    if charge.status is ChargeStatus.CHARGING:
        return Step.LOOK_UP
    return Step.PREPARE if now - charge.created_at < SENT_WITHIN else Step.ABANDON


def after_look_up(charge: Charge, found: Outcome | None, now: datetime) -> AfterLookUp:
    """Return the next step after a look-up that found no payment (None), or one that is undecided."""
    since = now - (charge.charging_since or charge.created_at)
    if isinstance(found, Undecided):
        return AfterLookUp.CANCEL if since >= UNCLEAR_AT_MOST else AfterLookUp.WAIT
    if since < SENT_WITHIN:
        return AfterLookUp.SEND
    return AfterLookUp.ABANDON if since >= UNCLEAR_AT_MOST else AfterLookUp.WAIT


def pause_after(attempts: int, *, is_parked: bool = False) -> int:
    """Return the seconds until the next attempt at a charge that is unclear, or whose payment is parked."""
    return min(5 << min(attempts - 1, 10), MAX_PARKED_PAUSE_SECONDS if is_parked else MAX_PAUSE_SECONDS)
