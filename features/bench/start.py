"""Measures a start: the CPU time of help and of the service's start, and the memory of an idle service."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

from features.bench.figures import Figure
from features.bench.servers import ROOT
from simulators.stack.postgrest import free_port
from simulators.stack.stack import wait_until_ready

COMMANDS = {
    "credence --help": (("--help",), 10.0),
    "credence serve --help": (("serve", "--help"), None),
    "credence explain --help": (("explain", "--help"), None),
}
"""The measured commands, each with the goal that its CPU time has, in times of a bare Python's."""


@attrs.frozen(kw_only=True)
class Started:
    """A service on embedded storage when it became ready; without the storage's own processes."""

    cpu_ms: float
    megabytes: float


def measure(*, runs: int) -> list[Figure]:
    """The medians of so many runs, each in turn with a bare Python."""
    bare: list[float] = []
    helps: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        bare.append(_cpu_ms("-c", "pass"))
        for name, (arguments, _) in COMMANDS.items():
            helps[name].append(_cpu_ms("-m", "entrypoints", *arguments))
    services = [_started() for _ in range(runs)]
    figures = [
        Figure(
            name=name,
            figure=statistics.median(helps[name]),
            unit="ms CPU",
            limit=statistics.median(bare),
            limit_name="python -c pass",
            goal=goal,
            smaller_is_better=True,
        )
        for name, (_, goal) in COMMANDS.items()
    ]
    cpu, memory = (statistics.median(getattr(one, what) for one in services) for what in ("cpu_ms", "megabytes"))
    return [
        *figures,
        Figure(name="start of the service, embedded storage", figure=cpu, unit="ms CPU"),
        Figure(name="memory of the service, embedded storage", figure=memory, unit="MB"),
    ]


def _cpu_ms(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1_000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _started() -> Started:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "STRIPE_SECRET_KEY": "sk_test_of_the_measurement",
            "STRIPE_WEBHOOK_SECRET": "whsec_of_the_measurement",
            "CREDENCE_PORT": str(port),
            "CREDENCE_DATA": str(Path(folder) / "data"),
        }
        command = [sys.executable, "-m", "entrypoints", "serve"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log) as process:
            try:
                wait_until_ready(f"http://127.0.0.1:{port}", Path(log.name))
                proc = Path(f"/proc/{process.pid}")
                ticks = proc.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
                pages = int(proc.joinpath("statm").read_text().split()[1])
            finally:
                process.terminate()
    return Started(
        cpu_ms=1_000 * sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
        megabytes=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    )
