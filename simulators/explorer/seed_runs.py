"""Many random worlds, on all cores: each is lived through in a process of its own choosing, and counted in order.

Results are taken in the order of the seeds, so that the first failure is the same one each time.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import attrs

from simulators.explorer.coverage import Coverage
from simulators.explorer.random_worlds import explore
from simulators.system.system import System, load

AHEAD = 6
"""Worlds that wait for each core, so that none is idle."""


@attrs.frozen(kw_only=True)
class Lived:
    """The result of one seed. To look at a failure, run its seed again."""

    seed: int
    events: int
    deliveries: int
    faults: int
    reads: int
    uses: int
    complaints: tuple[str, ...]
    coverage: Coverage


@attrs.define
class Totals:
    """The totals of many seeds."""

    seeds: int = 0
    events: int = 0
    deliveries: int = 0
    faults: int = 0
    reads: int = 0
    uses: int = 0
    coverage: Coverage = attrs.field(factory=Coverage)

    def add(self, lived: Lived) -> None:
        """Count one more."""
        self.seeds += 1
        self.events += lived.events
        self.deliveries += lived.deliveries
        self.faults += lived.faults
        self.reads += lived.reads
        self.uses += lived.uses
        self.coverage.add(lived.coverage)


def system_named(name: str, bug: str | None) -> System:
    """Return the system under test, with a bug planted where one is named.

    :raises NoSuchSystem: if there is none of that name.
    :raises KeyError: if there is no such bug.
    """
    under_test = load(name)
    return under_test if bug is None else under_test.planted(bug)


def live(seed: int, name: str, bug: str | None) -> Lived:
    """Live through one world."""
    coverage = Coverage()
    explored = explore(seed, system_named(name, bug), bug=bug, watcher=coverage)
    return Lived(
        seed=seed,
        events=len(explored.schedule.events),
        deliveries=explored.deliveries,
        faults=explored.faults,
        reads=explored.reads,
        uses=explored.uses,
        complaints=tuple(map(str, explored.complaints)),
        coverage=coverage.counted(),
    )


def live_all(
    seeds: Iterable[int], name: str, bug: str | None, *, jobs: int, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Lived]:
    """Live through the worlds of seeds, in their order, until one fails, none is left, or it should not go on."""
    if jobs == 1:
        yield from _until_failure(live(seed, name, bug) for seed in seeds if goes_on())
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _leave_interrupts_to_the_parent) as pool:
        try:
            yield from _until_failure(_in_order(pool, seeds, name, bug, jobs=jobs, goes_on=goes_on))
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _in_order(
    pool: ProcessPoolExecutor,
    seeds: Iterable[int],
    name: str,
    bug: str | None,
    *,
    jobs: int,
    goes_on: Callable[[], bool],
) -> Iterator[Lived]:
    waiting: deque[Future[Lived]] = deque()
    for seed in seeds:
        if not goes_on():
            break
        waiting.append(pool.submit(live, seed, name, bug))
        if len(waiting) >= AHEAD * jobs:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _until_failure(all_lived: Iterable[Lived]) -> Iterator[Lived]:
    for lived in all_lived:
        yield lived
        if lived.complaints:
            return
