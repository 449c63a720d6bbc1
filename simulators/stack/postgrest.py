"""A real PostgREST in a process of its own."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

READY_SECONDS = 20.0
STOPPING_SECONDS = 10.0


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgrest:
    """PostgREST over one database, its schema `public`, with Supabase's roles."""

    def __init__(self, binary: Path, database_url: str, jwt_secret: str, *, listens: bool = True) -> None:
        """Set up PostgREST; with `listens` it hears of a changed schema on the database's channel."""
        self._binary = binary
        self._port, self._admin_port = free_port(), free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._environment = {
            **os.environ,
            "PGRST_DB_URI": database_url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_CHANNEL_ENABLED": str(listens).lower(),
            "PGRST_DB_POOL": "10",
            "PGRST_JWT_SECRET": jwt_secret,
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self._port),
            "PGRST_ADMIN_SERVER_PORT": str(self._admin_port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of its root."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready.

        :raises RuntimeError: if it is not within 20 seconds, with the end of its log.
        """
        try:
            self.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def stop(self) -> None:
        """End it in order; does nothing where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def start(self) -> None:
        """Start it, and wait until it is ready.

        :raises RuntimeError: if it is not within 20 seconds, with the end of its log.
        """
        self._process = subprocess.Popen(  # noqa: S603 - the binary that the caller names
            [str(self._binary)], env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                said = self._log.read().decode(errors="replace")
                raise RuntimeError(f"PostgREST did not start: {said[-2000:]}")
            time.sleep(0.05)

    def _close(self) -> None:
        self.stop()
        self._log.close()

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/ready", timeout=1):
                return True
        except urllib.error.HTTPError as answer:
            answer.close()
            return False
        except OSError:
            return False
