"""A real PgBouncer in front of the tests' Postgres; Debian's `pgbouncer` is it, and a missing one is an error."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from simulators.stack.postgrest import free_port

READY_SECONDS = 20.0
POLL_SECONDS = 0.05

Pooled = Callable[..., str]
"""Gives the address of a database behind a pooler: `pooled(database_url, mode="transaction", size=4)`."""


def binary() -> str:
    """PgBouncer's program.

    :raises FileNotFoundError: if it is not installed.
    """
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("pgbouncer is missing: apt install pgbouncer")
    return found


@pytest.fixture
def pooled(new_server_folder: Callable[[], Path]) -> Iterator[Pooled]:
    """Starts poolers, each with connections of its own to the server; they end with the test."""
    with contextlib.ExitStack() as ends:

        def start(database_url: str, *, mode: str = "transaction", size: int = 4, parameters: str = "") -> str:
            address = urlsplit(database_url)
            (sockets,) = parse_qs(address.query)["host"]
            port = ends.enter_context(pgbouncer(Path(sockets), new_server_folder(), mode=mode, size=size))
            return f"postgresql://postgres@127.0.0.1:{port}{address.path}{parameters}"

        yield start


@contextlib.contextmanager
def pgbouncer(sockets: Path, folder: Path, *, mode: str, size: int) -> Iterator[int]:
    """The port of a PgBouncer in front of the server whose socket lies in a folder, with so many connections to it."""
    port, config, log = free_port(), folder / "pgbouncer.ini", folder / "log"
    config.write_text(
        f"[databases]\n* = host={sockets} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\nquery_wait_timeout = 20\n"
    )
    # It refuses to run as root, and the socket is for who owns the server.
    user = ["-u", sockets.owner()] if os.getuid() == 0 else []
    with (
        log.open("wb") as output,
        subprocess.Popen([binary(), *user, str(config)], stdout=output, stderr=output, cwd=folder) as process,
    ):
        try:
            _wait(process, port, log)
            yield port
        finally:
            process.terminate()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    pause = threading.Event()
    for _ in range(int(READY_SECONDS / POLL_SECONDS)):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        pause.wait(POLL_SECONDS)
    raise RuntimeError(f"PgBouncer did not start: {log.read_text(errors='replace')[-2000:]}")
