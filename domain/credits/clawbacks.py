"""What clawbacks took for a grant, and where it goes when it comes back: to the grants from which it was taken."""

from collections.abc import Iterator
from typing import NewType

import attrs

from domain.credits.grants import Draw

GrantName = NewType("GrantName", str)
"""The grant to which credits return: `true` for the entry's own, else the id of another."""

OWN_GRANT = GrantName("true")


@attrs.frozen(kw_only=True)
class ClawedBack:
    """Credits that clawbacks took for one grant of a purchase, and that did not come back since."""

    credits: int
    """All of them; what was taken from no grant had been spent before: it is owed, or was paid since."""
    from_own: int = 0
    """Taken from the grant itself, unspent."""
    from_others: tuple[Draw, ...] = ()
    """Taken from other grants, by the clawbacks or to pay what they left owing; what burns last comes first."""


@attrs.frozen
class ReturnedCredits:
    """Credits that come back, and the grant to which they return."""

    credits: int
    grant: GrantName | None = None
    """None where they were taken from no grant."""


NOTHING_CLAWED_BACK = ClawedBack(credits=0)


def returns_of(credits_: int, taken: ClawedBack) -> tuple[ReturnedCredits, ...]:
    """Return where credits that come back go, in the order in which they are posted.

    A clawback takes from the grant itself first, then from others, and leaves the rest owing; what comes back goes the
    other way round. So each grant has, with its own end, what it would have had without the clawback.
    """
    parts: dict[GrantName | None, int] = {None: 0}
    for grant, most in _places(taken):
        part = min(credits_, most)
        parts[grant] = parts.get(grant, 0) + part
        credits_ -= part
    parts[None] += credits_
    return tuple(ReturnedCredits(part, grant) for grant, part in parts.items() if part > 0)


def _places(taken: ClawedBack) -> Iterator[tuple[GrantName | None, int]]:
    """Yield the grants to which it may return, each with the most that may."""
    elsewhere = max(taken.credits - taken.from_own, 0)
    others: list[tuple[GrantName | None, int]] = []
    for draw in taken.from_others:
        part = min(draw.credits, elsewhere)
        elsewhere -= part
        others.append((GrantName(str(draw.grant_id)), part))
    yield None, elsewhere
    yield from others
    yield OWN_GRANT, taken.from_own
