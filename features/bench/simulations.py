"""Measures the simulators' speed: schedules of small stories, random worlds and fired deliveries a second."""

import time

from features.bench.figures import Figure, Latency
from features.harness.binding import system
from simulators.explorer.explore_stories import explore
from simulators.explorer.random_worlds import explore as live
from simulators.fire import speed

STORIES = ("purchase", "delayed payment", "spend and refund")


def measure(*, customers: int, seeds: int) -> list[Figure]:
    """The figures of one process each; `customers` are fired for, and `seeds` worlds lived through."""
    return [*_stories(), _worlds(seeds), _fired(customers)]


def _stories() -> list[Figure]:
    _, figures = explore(system, [*STORIES])
    text = f"{figures.stories} small stories, {figures.schedules:,} schedules in {figures.seconds:.1f} s"
    return [
        Figure(
            name="explorer, schedules tried",
            figure=figures.schedules / figures.seconds,
            unit="schedules/s",
            limit=figures.states_a_second,
            limit_name="distinct states a second: equal ones are not tried again",
            note=text,
        )
    ]


def _worlds(seeds: int) -> Figure:
    begun = time.perf_counter()
    lived = [live(seed, system) for seed in range(seeds)]
    seconds = time.perf_counter() - begun
    return Figure(
        name="explorer, deliveries in random worlds",
        figure=sum(world.deliveries for world in lived) / seconds,
        unit="deliveries/s",
        note=f"{seeds} seeds",
    )


def _fired(customers: int) -> Figure:
    alone = speed.measure(customers=customers, concurrency=1)
    together = speed.measure(customers=customers, concurrency=32)
    latency = together.latency
    return Figure(
        name="fire, 32 deliveries at once",
        figure=together.per_second,
        unit="deliveries/s",
        limit=alone.per_second,
        limit_name="the same, one after the other",
        latency=Latency(p50=latency["p50"], p99=latency["p99"]) if latency else None,
        note="" if together.is_good and alone.is_good else "the accounts were wrong",
    )
