"""Draws from a world's seed how often each fault occurs, so that worlds differ in kind and not only in luck."""

import random

import attrs

from simulators.schedules.steps import PORTS

ABSENT = 0.3
"""The chance that a kind of fault does not occur in a world at all: what hides behind another fault is found so."""


@attrs.frozen(kw_only=True)
class Rates:
    """The chances of one world; each is of one step unless it says otherwise."""

    processes: int
    customers: int
    at_once: int
    """Tasks that may be under way at the same moment."""
    interleaved: float
    """That a task is stepped, and not run to its end at once."""
    duplicate: float
    """That a delivery is made once more; of each delivery."""
    together: float
    """That a duplicate comes at the same moment; of each duplicate."""
    late: float
    """That a delivery is late, by hours or days; of each delivery."""
    bad_signature: float
    answer_lost: float
    crash: float
    """That a process dies; of each step of a task in it."""
    errors: dict[str, float]
    """That a port fails one call, before or after it did it; of each call."""
    outage: dict[str, float]
    flush: float
    read: float
    work: float
    pause: float
    """That minutes pass while tasks are under way."""
    joins_later: float
    """That a user signs up after buying; of each user."""


def draw(chance: random.Random) -> Rates:
    """Return the rates of a world."""

    def rate(least: float, most: float) -> float:
        return 0.0 if chance.random() < ABSENT else least * (most / least) ** chance.random()

    return Rates(
        processes=chance.choice((1, 2, 2, 3, 4)),
        customers=chance.choice((1, 1, 2, 3, 4, 6, 9, 14)),
        at_once=chance.choice((1, 2, 3, 5, 8)),
        interleaved=chance.choice((0.2, 0.5, 0.9)),
        duplicate=rate(0.05, 0.6),
        together=chance.random(),
        late=rate(0.02, 0.6),
        bad_signature=rate(0.01, 0.2),
        answer_lost=rate(0.01, 0.3),
        crash=rate(0.004, 0.08),
        errors={port: rate(0.005, 0.3) for port in PORTS},
        outage={port: rate(0.001, 0.01) for port in PORTS},
        flush=rate(0.001, 0.03),
        read=rate(0.01, 0.2),
        work=rate(0.01, 0.15),
        pause=rate(0.001, 0.02),
        joins_later=rate(0.1, 0.5),
    )
