"""Ctrl-C ends a command with exit code 130 and without a traceback, from the first moment of Python's start."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"STRIPE_SECRET_KEY": "sk_test_51abcdefghij", "STRIPE_WEBHOOK_SECRET": "whsec_abc"}
CREDENCE = Path(sys.executable).with_name("credence")


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **KEYS, **settings}


@pytest.mark.parametrize(
    ("command", "package"),
    [
        (("-m", "entrypoints", "serve"), "attr"),
        (("-m", "entrypoints", "serve"), "litestar"),
        (("-m", "entrypoints", "check"), "attr"),
        (("-m", "entrypoints", "check"), "asyncpg"),
        ((str(CREDENCE), "migrate"), "attr"),
        (("-m", "simulators", "demo"), "attr"),
        (("-m", "simulators", "dev"), "attr"),
    ],
    ids=str,
)
def test_while_python_starts(command: tuple[str, ...], package: str, tmp_path: Path) -> None:
    """Ctrl-C in the middle of the imports, after a package that Python reports, is the end, in silence."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", *command],
        cwd=ROOT,
        env=environment(CREDENCE_DATA=str(tmp_path)),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(f" {package}\n"):
                break
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert (130, []) == (process.returncode, said)


def test_while_a_command_works() -> None:
    """A command that waits for a database ends without a traceback, too; asyncpg may complain in a line."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres"
        with subprocess.Popen(
            # Whoever runs the tests in the background lets them ignore SIGINT, and commands inherit that.
            ["env", "--default-signal=INT", sys.executable, "-m", "entrypoints", "migrate", "--database-url", address],
            cwd=ROOT,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            asked, _ = silent.accept()
            with asked:
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)
    assert (130, False) == (process.returncode, "Traceback" in said), said


def test_a_port_that_is_taken_is_told_in_plain_words(tmp_path: Path) -> None:
    """By the option as by the variable: the port, and what to do; nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [str(CREDENCE), "serve", "--port", port],
            cwd=ROOT,
            env=environment(CREDENCE_DATA=str(tmp_path / "data")),
            capture_output=True,
            text=True,
            check=False,
        )
    expected = f"Error: 127.0.0.1:{port} is already in use. Choose another port with CREDENCE_PORT or --port.\n"
    assert (1, "", expected) == (done.returncode, done.stdout, done.stderr)
    assert not (tmp_path / "data").exists()
