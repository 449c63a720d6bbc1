"""Variants of one thing, measured in turns: what else the machine does happens to all of them alike."""

import statistics
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from features.bench.figures import Figure
from features.bench.mechanisms.cpu import Slice

Of = TypeVar("Of")
"""What a slice came to."""
COMPLETE = "nothing left out"
_UNITS: dict[str, Callable[[Slice], Any]] = {
    "us CPU": lambda one: one.cpu,
    "a second": lambda one: one.rate,
    "ms p99": lambda one: one.p99,
}


async def in_turns(variants: Mapping[str, Callable[[], Awaitable[Of]]], *, rounds: int) -> dict[str, list[Of]]:
    """Return the slices of each variant, one a round, after a round to warm up; every other round goes backwards."""
    slices: dict[str, list[Of]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name in [*variants][:: -1 if turn % 2 else 1]:
            slices[name].append(await variants[name]())
    return {name: found[1:] for name, found in slices.items()}


def comparisons(load: str, slices: Mapping[str, Sequence[Slice]]) -> Iterator[Figure]:
    """Give the figures of each variant that lacks something: CPU of a request, the rate, and the slowest if measured.

    The ratios of the note are those of slices of the same round.
    """
    complete = slices[COMPLETE]
    for name, lacking in slices.items():
        for unit, of in _UNITS.items():
            if name == COMPLETE or of(complete[0]) is None:
                continue
            pairs = zip(map(of, lacking), map(of, complete), strict=True)
            ratios = sorted(one / other for one, other in pairs if other)
            figure = Figure(
                name=f"{load}, without {name}",
                figure=statistics.median(map(of, lacking)),
                unit=unit,
                limit=statistics.median(map(of, complete)),
                limit_name="with it, in the same rounds",
                note=f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                if ratios
                else "with it nothing was done",
            )
            print(f"{figure.name}: {unit} {figure.note}", file=sys.stderr, flush=True)
            yield figure
