"""Folders of the tests' servers, apart from pytest's: any other pytest of the same user closes those to other users.

Postgres, where the tests run as root, has a user of its own, which must reach its data. A run that is killed leaves
folders and servers behind; the next one ends the servers and removes the folders.
"""

import contextlib
import fcntl
import itertools
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PREFIX = "credence-servers-"
STOPPING_SECONDS = 20.0
POLL_SECONDS = 0.05


@pytest.fixture(scope="session")
def new_server_folder() -> Iterator[Callable[[], Path]]:
    """Make folders for servers, one a call; all are removed at the end of the run."""
    temporary = Path(tempfile.gettempdir())
    remove_abandoned(temporary)
    with server_folders(temporary) as make:
        yield make


@contextlib.contextmanager
def server_folders(temporary: Path) -> Iterator[Callable[[], Path]]:
    """Give what makes folders, until the end of the block. A lock, which dies with this process, says that it lives."""
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
    numbers = itertools.count(1)

    def make() -> Path:
        folder = home / str(next(numbers))
        folder.mkdir()
        return folder

    with (home / "unlocked").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (home / "unlocked").rename(home / "lock")
        try:
            yield make
        finally:
            shutil.rmtree(home)


def remove_abandoned(temporary: Path) -> None:
    """Remove the folders of processes that are gone, after ending the servers that still run in them."""
    for path in temporary.glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_servers(path.parent)
            shutil.rmtree(path.parent)


def end_servers(folder: Path) -> None:
    """End what runs in a folder: in order, or by force what does not end within 20 seconds."""
    pause = threading.Event()
    for number in (signal.SIGINT, signal.SIGKILL):
        for process in servers_in(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        for _ in range(int(STOPPING_SECONDS / POLL_SECONDS)):
            if not servers_in(folder):
                return
            pause.wait(POLL_SECONDS)


def servers_in(folder: Path) -> list[int]:
    """Return the processes whose working directory lies in a folder, as those of a Postgres and a Redis do."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder.resolve()):
                found.append(int(entry.name))
    return found
