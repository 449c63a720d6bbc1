"""The CPU time that requests take in all measured processes: on a busy machine it says more than the rate."""

import os
import time
from collections.abc import Awaitable, Callable

import attrs

from features.bench.processes import running_processes, tree_of
from features.bench.servers import Servers


@attrs.frozen(kw_only=True)
class Slice:
    """The measurements of one slice of time."""

    rate: float
    """Requests done a second."""
    cpu: float
    """Microseconds of CPU for each request, of all measured processes together."""
    p99: float | None = None
    """Milliseconds; None where it was not measured."""


async def metered(
    load: Awaitable[float | None], servers: Servers, done: Callable[[], int], *, counts_own: bool
) -> Slice:
    """Return what a load came to, from its beginning until all that it asked for is answered.

    The load returns its 99th percentile, or None; `done` counts the requests that are done so far. The servers and all
    processes that this one started are measured; with `counts_own` this one is too.
    """
    others, first = _of_trees(servers), done()
    own, begun = time.process_time(), time.perf_counter()
    p99 = await load
    own, took = time.process_time() - own, time.perf_counter() - begun
    others, count = _of_trees(servers) - others, done() - first
    cpu = 1_000_000 * (others + (own if counts_own else 0)) / max(1, count)
    return Slice(rate=count / took, cpu=cpu, p99=p99)


def _of_trees(servers: Servers) -> float:
    """Return the seconds of CPU of Postgres and of all descendants of this process, ended ones too."""
    processes = running_processes()
    tree = tree_of({servers.processes["Postgres"], os.getpid()}, processes)
    return sum(processes[process].seconds for process in tree - {os.getpid()})
