"""Draws: how credits are taken from grants in their order, and what remains of these."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import attrs

from domain.credits.grants import BurnOrder, Draw, Grant, GrantId


def drawn_at(now: datetime, grants: BurnOrder, wanted: int) -> tuple[Draw, ...]:
    """Return draws of so many credits from what is free in grants that are still good."""
    return drawn(grants, wanted, of=lambda grant: grant.free if grant.is_usable(now) else 0)


def drawn(grants: Iterable[Grant], wanted: int, *, of: Callable[[Grant], int]) -> tuple[Draw, ...]:
    """Return draws of at most so many credits, in the grants' order, as far as `of` says that each can give."""
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
    """Return the credits of the draws in all."""
    return sum(draw.credits for draw in draws)


def summed(draws: Iterable[Draw]) -> tuple[Draw, ...]:
    """Return the draws with one for each grant, in the order in which these come first."""
    return tuple(Draw(grant_id=grant_id, credits=taken) for grant_id, taken in _sums(draws).items())


def _sums(draws: Iterable[Draw]) -> dict[GrantId, int]:
    sums: dict[GrantId, int] = {}
    for draw in draws:
        sums[draw.grant_id] = sums.get(draw.grant_id, 0) + draw.credits
    return sums


def less(grants: BurnOrder, draws: Iterable[Draw]) -> BurnOrder:
    """Return the grants without what the draws take from them."""
    return _changed(
        grants, _sums(draws), lambda grant, credits_: attrs.evolve(grant, remaining=grant.remaining - credits_)
    )


def reserving(grants: BurnOrder, draws: Iterable[Draw], sign: int) -> BurnOrder:
    """Return the grants with what the draws reserve of them, or reserve no longer where `sign` is -1."""
    reserved = {draw.grant_id: draw.credits * sign for draw in draws}
    return _changed(grants, reserved, lambda grant, credits_: attrs.evolve(grant, held=grant.held + credits_))


def _changed(grants: BurnOrder, by: Mapping[GrantId, int], change: Callable[[Grant, int], Grant]) -> BurnOrder:
    """Return the grants that live on, with those changed that are named; their places stay."""
    after, missing, ends = [*grants], len(by), False
    for index, grant in enumerate(grants):
        if missing == 0:
            break
        if grant.id in by:
            after[index] = change(grant, by[grant.id])
            missing -= 1
            ends = ends or not after[index].is_live
    return BurnOrder(grant for grant in after if grant.is_live) if ends else BurnOrder(after)
