"""Pauses are of a random length, within their bound."""

from adapters.system.backoff import SystemBackoff


async def test_a_pause_is_a_part_of_the_longest() -> None:
    """In the seconds that the event loop counts."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    for part in (0.0, 0.25, 0.5):
        await SystemBackoff(chance=lambda part=part: part, wait=sleep).sleep(at_most_milliseconds=40)
    assert [0.0, 0.01, 0.02] == slept


async def test_rivals_do_not_pause_alike() -> None:
    """Who collided would collide again otherwise."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    for _ in range(10):
        await SystemBackoff(wait=sleep).sleep(at_most_milliseconds=50)
    assert 10 == len(set(slept))
    assert 0 <= min(slept) <= max(slept) <= 0.05
