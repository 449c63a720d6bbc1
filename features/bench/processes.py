"""The CPU time of processes and of all that they started, as Linux counts it in `/proc`."""

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

TICKS = os.sysconf("SC_CLK_TCK")
"""In which `/proc` counts, a second."""


@attrs.frozen(kw_only=True)
class Process:
    """A process at one moment."""

    id: int
    parent: int
    own: float
    """Seconds of CPU in user and system mode."""
    of_ended: float
    """The same of its children that have ended and were waited for, with theirs."""

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.own + self.of_ended


def parse_stat(text: str) -> Process:
    """Return what a `/proc/PID/stat` says (proc_pid_stat(5)); the name in it may hold spaces and brackets."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    user, system, user_of_ended, system_of_ended = (int(field) / TICKS for field in fields[11:15])
    return Process(
        id=int(head.partition(" ")[0]),
        parent=int(fields[1]),
        own=user + system,
        of_ended=user_of_ended + system_of_ended,
    )


def running_processes() -> dict[int, Process]:
    """Return all processes of this machine, by id; their own time to the nanosecond, not in ticks of 10 ms."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            process = parse_stat(path.read_text())
            found[process.id] = attrs.evolve(process, own=time.clock_gettime(_clock_of(process.id)))
    return found


def _clock_of(process: int) -> int:
    """Return the id of a process's CPU clock, as clock_getcpuclockid(3) makes it on Linux."""
    return ~process << 3 | 2


def tree_of(roots: Iterable[int], processes: Mapping[int, Process]) -> set[int]:
    """Return the ids of the roots and of all their descendants.

    :raises ProcessLookupError: if a root does not run: its time would be missing without a word.
    """
    known = set(roots)
    if gone := known - processes.keys():
        raise ProcessLookupError(f"No longer running: {sorted(gone)}")
    while more := {process.id for process in processes.values() if process.parent in known} - known:
        known |= more
    return known


def seconds_of(roots: Iterable[int], processes: Mapping[int, Process]) -> float:
    """Return the seconds of CPU that the roots and all their descendants have taken, ended ones too.

    :raises ProcessLookupError: if a root does not run.
    """
    return sum(processes[process].seconds for process in tree_of(roots, processes))


def listening_on(port: int) -> int:
    """Return the id of the process that listens on a port of this machine.

    :raises ProcessLookupError: if none does.
    """
    listening = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) in listening:
                return int(link.parts[2])
    raise ProcessLookupError(f"Nothing listens on port {port}")
