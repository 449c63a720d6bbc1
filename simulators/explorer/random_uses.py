"""Chooses what services request for a random world's customers: spends, holds, captures, voids and charges of cards.

Some are requested repeatedly. Only customers who have no subscription spend: unspent credits of a period expire, and
these books do not follow that.
"""

import random
import uuid
from collections.abc import Sequence

from simulators.explorer.random_lives import LifeLed
from simulators.stories.charges import asked_of
from simulators.stories.credit_operations import Use

WISHES = (1, 3, 5, 7, 20, 45)
MOST_SPENDS = 9
REPEATED = 0.4
"""The chance that a service asks the same once more; of each use."""


def wished(chance: random.Random, lives: Sequence[LifeLed]) -> tuple[Use, ...]:
    """Return all that services ever ask, customer by customer; no key is the end of another."""
    uses: list[Use] = [use for life in lives for use in asked_of(life.charged)]
    for life in lives:
        if any('"object": "subscription"' in event.body for event in life.events):
            continue
        customer = life.customer.user_id
        for _ in range(chance.randint(0, MOST_SPENDS)):
            key = f"use-{len(uses):04}"
            uses.append(Use(act="spend", customer=customer, key=key, credits=chance.choice(WISHES)))
        if chance.random() < 0.8:
            uses += _held(chance, customer, len(uses))
    return tuple(uses)


def asked(chance: random.Random, uses: Sequence[Use]) -> list[int]:
    """Return the places of the uses in the order in which they are asked, last first."""
    order = [place for place in range(len(uses)) for _ in range(1 + (chance.random() < REPEATED))]
    chance.shuffle(order)
    return order


def _held(chance: random.Random, customer: str, place: int) -> list[Use]:
    """Return a hold, and what becomes of it: captured in part or whole, voided, both, or forgotten."""
    hold = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    wish = chance.choice(WISHES)
    uses = [Use(act="hold", customer=customer, key=f"use-{place:04}", credits=wish, hold=hold)]
    if chance.random() < 0.7:
        uses.append(Use(act="capture", customer=customer, key=hold, credits=chance.randint(1, wish), hold=hold))
    if chance.random() < 0.3:
        uses.append(Use(act="void", customer=customer, key=hold, credits=0, hold=hold))
    return uses
