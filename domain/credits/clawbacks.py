"""Tracks what clawbacks took for a grant, so that reinstated credits return to the grants they were taken from."""

from collections.abc import Iterator
from typing import NewType

import attrs

from domain.credits.grants import Draw

GrantName = NewType("GrantName", str)
"""The grant to which credits return: `true` for the entry's own grant, otherwise another grant's id."""

OWN_GRANT = GrantName("true")


@attrs.frozen(kw_only=True)
class ClawedBack:
    """Credits that clawbacks took for one grant of a purchase and that were not returned since."""

    credits: int
    """The total. Credits that were taken from no grant had been spent: they are owed, or were repaid since."""
    from_own: int = 0
    """Credits taken from the grant itself, where they were unspent."""
    from_others: tuple[Draw, ...] = ()
    """Credits taken from other grants, by the clawbacks or to repay their debt; those spent last come first."""


@attrs.frozen
class ReturnedCredits:
    """Credits that are reinstated, and the grant to which they return."""

    credits: int
    grant: GrantName | None = None
    """None if they were taken from no grant."""


NOTHING_CLAWED_BACK = ClawedBack(credits=0)


def returns_of(credits_: int, taken: ClawedBack) -> tuple[ReturnedCredits, ...]:
    """Return to which grants reinstated credits go, in the order in which they are posted.

    A clawback takes from the grant itself first, then from others, and leaves the rest as debt. Credits return in the
    reverse order, so each grant ends up with what it would have had without the clawback, under its own expiry.
    """
    parts: dict[GrantName | None, int] = {None: 0}
    for grant, most in _places(taken):
        part = min(credits_, most)
        parts[grant] = parts.get(grant, 0) + part
        credits_ -= part
    parts[None] += credits_
    return tuple(ReturnedCredits(part, grant) for grant, part in parts.items() if part > 0)


def _places(taken: ClawedBack) -> Iterator[tuple[GrantName | None, int]]:
    """Yield the grants to which credits may return, each with the maximum."""
    elsewhere = max(taken.credits - taken.from_own, 0)
    others: list[tuple[GrantName | None, int]] = []
    for draw in taken.from_others:
        part = min(draw.credits, elsewhere)
        elsewhere -= part
        others.append((GrantName(str(draw.grant_id)), part))
    yield None, elsewhere
    yield from others
    yield OWN_GRANT, taken.from_own
