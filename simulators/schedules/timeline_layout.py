"""Lays out a timeline: lanes from left to right, moments from top to bottom, a bar for each task."""

import textwrap
from collections.abc import Sequence

import attrs

from simulators.schedules.traces import CACHE, CUSTOMERS, LEDGER, PAYMENTS, STRIPE, Kind, Moment

ROW, TOP, LEFT, LANE, SLOT, MARGIN = 30, 104, 118, 232, 13, 30
_ORDER = (CUSTOMERS, STRIPE, None, LEDGER, CACHE, PAYMENTS)
_COLOURS = ("#4f6bed", "#0f8b8d", "#8e5bd0", "#c2761b", "#3d8b3d", "#b0447c", "#5a6b7b", "#2e86c1")
WIDE = frozenset({Kind.WAIT, Kind.SETTLE, Kind.COMPLAINT})


def lanes_of(moments: Sequence[Moment]) -> tuple[str, ...]:
    """Return who takes part, from left to right."""
    present = {place for moment in moments for place in (moment.lane, moment.to) if place} | {STRIPE, LEDGER, CACHE}
    processes = sorted(present - {place for place in _ORDER if place})
    ordered: list[str] = []
    for place in _ORDER:
        ordered += processes if place is None else [place] if place in present else []
    return tuple(ordered)


def lane_name(lane: str) -> str:
    """Return what a lane is called."""
    names = {STRIPE: "Stripe", LEDGER: "Ledger", CACHE: "Cache", PAYMENTS: "Stripe's API", CUSTOMERS: "Customers"}
    return names.get(lane, f"Process {lane}")


@attrs.frozen(kw_only=True)
class Bar:
    """A task while it is under way: from one moment to another, in one of the slots of its process."""

    lane: str
    slot: int
    begins: int
    ends: int
    colour: str


def rows_of(moments: Sequence[Moment]) -> tuple[int, ...]:
    """Return where each moment stands, in pixels from the top."""
    rows, y = [], TOP + ROW
    for moment in moments:
        rows.append(y)
        y += height_of(moment)
    return tuple(rows)


def height_of(moment: Moment) -> int:
    """Return how many pixels a moment takes."""
    if moment.kind is Kind.COMPLAINT:
        return 26 + 18 * len(wrapped(moment.text))
    return ROW + 8 if moment.kind in {*WIDE, Kind.DIE} else ROW


def wrapped(text: str) -> list[str]:
    """Return the lines of a text that goes across; at least one."""
    return textwrap.wrap(text, 110) or [""]


def bars_of(moments: Sequence[Moment]) -> dict[str, Bar]:
    """Return a bar for every task, in the first slot of its process that is free while it is under way."""
    begins: dict[str, tuple[int, str]] = {}
    ends: dict[str, int] = {}
    for place, moment in enumerate(moments):
        if moment.kind is Kind.BEGIN and moment.task is not None and moment.to is not None:
            begins[moment.task] = place, moment.to
        elif moment.task in begins and moment.kind is not Kind.DIE:
            ends[moment.task] = place
        elif moment.kind is Kind.DIE:
            under_way = [task for task, (_, lane) in begins.items() if lane == moment.lane and not _over(task, moments)]
            ends |= {task: place for task in under_way if ends.get(task, 0) < place}
    bars: dict[str, Bar] = {}
    for task, (begin, lane) in begins.items():
        end = ends.get(task, begin)
        taken = {bar.slot for bar in bars.values() if bar.lane == lane and bar.begins <= end and begin <= bar.ends}
        slot = next(free for free in range(len(bars) + 1) if free not in taken)
        bars[task] = Bar(lane=lane, slot=slot, begins=begin, ends=end, colour=_COLOURS[len(bars) % len(_COLOURS)])
    return bars


def _over(task: str, moments: Sequence[Moment]) -> bool:
    return any(moment.task == task and moment.kind is Kind.END for moment in moments)
