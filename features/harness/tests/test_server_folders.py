"""The tests' servers outlive other runs of pytest, and what a killed run left behind is removed by the next."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from features.harness.server_folders import PREFIX, remove_abandoned, server_folders, servers_in
from features.real_parts import ROOT, execute

OTHER_RUN = "def test_another(tmp_path):\n    assert tmp_path.is_dir()\n"
OWNER = """
import pathlib, sys
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.redis.embedded import EmbeddedRedis
from features.harness.server_folders import server_folders
with server_folders(pathlib.Path(sys.argv[1])) as make:
    EmbeddedPostgres(make() / "data").start()
    EmbeddedRedis(make()).start()
    print("started", flush=True)
    sys.stdin.read()
"""


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder by another pytest."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


async def test_another_run_of_pytest_does_not_close_the_servers(postgres_url: str, tmp_path: Path) -> None:
    """It closes pytest's folders to other users; Postgres is one, and opens some of its files by their full paths."""
    (tmp_path / "test_other.py").write_text(OTHER_RUN)
    other = run_pytest(tmp_path)
    assert "1 passed" in other.stdout, other.stdout + other.stderr
    await execute(postgres_url, "checkpoint")


def test_what_a_killed_run_left_is_removed(new_server_folder: Callable[[], Path]) -> None:
    """Its servers are ended and its folders are gone; those of a run that lives stay."""
    temporary = new_server_folder()
    with server_folders(temporary) as make:
        mine = make().parent
        command = [sys.executable, "-c", OWNER, str(temporary)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
            assert owner.stdout is not None
            assert "started" == owner.stdout.readline().strip()
            (left,) = set(temporary.glob(f"{PREFIX}*")) - {mine}
            remove_abandoned(temporary)
            assert {mine, left} == set(temporary.iterdir())
            os.kill(owner.pid, signal.SIGKILL)
        assert [] != servers_in(left / "1" / "data")
        assert [] != servers_in(left / "2")
        remove_abandoned(temporary)
        assert ([mine], []) == (list(temporary.iterdir()), servers_in(temporary))
