"""Draws: takes credits from grants in spending order, and computes what remains of them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import attrs

from domain.credits.grants import BurnOrder, Draw, Grant, GrantId


def drawn_at(now: datetime, grants: BurnOrder, wanted: int) -> tuple[Draw, ...]:
    """Return draws of `credits` from the unreserved credits of grants that have not expired."""
    return drawn(grants, wanted, of=lambda grant: grant.free if grant.is_usable(now) else 0)


def drawn(grants: Iterable[Grant], wanted: int, *, of: Callable[[Grant], int]) -> tuple[Draw, ...]:
    """Return draws of at most `credits` in the grants' order; `of` says how much each can give."""
    draws = []
    for grant in grants:
        if wanted <= 0:
            break
        taken = min(of(grant), wanted)
        if taken > 0:
            draws.append(Draw(grant_id=grant.id, credits=taken))
            wanted -= taken
    return tuple(draws)


def total(draws: Iterable[Draw]) -> int:
    """Return the sum of the draws."""
    return sum(draw.credits for draw in draws)


def summed(draws: Iterable[Draw]) -> tuple[Draw, ...]:
    """Return the draws merged into one per grant, in the order of first appearance."""
    return tuple(Draw(grant_id=grant_id, credits=taken) for grant_id, taken in _sums(draws).items())


def _sums(draws: Iterable[Draw]) -> dict[GrantId, int]:
    sums: dict[GrantId, int] = {}
    for draw in draws:
        sums[draw.grant_id] = sums.get(draw.grant_id, 0) + draw.credits
    return sums


def less(grants: BurnOrder, draws: Iterable[Draw]) -> BurnOrder:
    """Return the grants after the draws."""
    return _changed(
        grants, _sums(draws), lambda grant, credits_: attrs.evolve(grant, remaining=grant.remaining - credits_)
    )


def reserving(grants: BurnOrder, draws: Iterable[Draw], sign: int) -> BurnOrder:
    """Return the grants with the draws reserved, or released if `sign` is -1."""
    reserved = {draw.grant_id: draw.credits * sign for draw in draws}
    return _changed(grants, reserved, lambda grant, credits_: attrs.evolve(grant, held=grant.held + credits_))


def _changed(grants: BurnOrder, by: Mapping[GrantId, int], change: Callable[[Grant, int], Grant]) -> BurnOrder:
    """Return the grants with the changed ones replaced in place, without those that are used up."""
    after, missing, ends = [*grants], len(by), False
    for index, grant in enumerate(grants):
        if missing == 0:
            break
        if grant.id in by:
            after[index] = change(grant, by[grant.id])
            missing -= 1
            ends = ends or not after[index].is_live
    return BurnOrder(grant for grant in after if grant.is_live) if ends else BurnOrder(after)
