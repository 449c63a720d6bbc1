"""Variants of one thing, measured in locks: what else the machine does happens to all of them alike."""

import statistics
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from features.bench.figures import Figure
from features.bench.mechanisms.cpu import Slice

COMPLETE = "nothing left out"
_UNITS: dict[str, Callable[[Slice], Any]] = {
    "us CPU": lambda one: one.cpu,
    "a second": lambda one: one.rate,
    "ms p99": lambda one: one.p99,
}


async def in_turns(variants: Mapping[str, Callable[[], Awaitable[Slice]]], *, rounds: int) -> dict[str, list[Slice]]:
    """Return the slices of each variant, one a round, after a round to warm up; every other round goes backwards."""
    slices: dict[str, list[Slice]] = {name: [] for name in variants}
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
            ratios = sorted(of(one) / of(other) for one, other in zip(lacking, complete, strict=True))
            figure = Figure(
                name=f"{load}, without {name}",
                figure=statistics.median(map(of, lacking)),
                unit=unit,
                limit=statistics.median(map(of, complete)),
                limit_name="with it, in the same rounds",
                note=f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            )
            print(f"{figure.name}: {unit} {figure.note}", file=sys.stderr, flush=True)
            yield figure
