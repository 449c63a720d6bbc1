"""The real Stripe CLI, pointed at the stand-in; it comes from npm, by the Makefile, and a missing one is an error."""

import contextlib
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk_test_of_the_stripe_cli"
SECONDS = 60
# Nobody listens there: whatever the CLI would ask of the outside, such as its newest version, is refused at once.
NOWHERE = "http://127.0.0.1:9"


def cli_binary() -> Path:
    """The binary itself: the script in front of it passes no signals on.

    :raises FileNotFoundError: if it is not installed.
    """
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"
    path = ROOT / ".node" / "node_modules" / "@stripe" / f"cli-{sys.platform}-{machine}" / "bin" / "stripe"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: make test installs it")
    return path


class Listening:
    """A `stripe listen` that runs, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def lines(self) -> list[str]:
        """Return the lines that it has printed so far."""
        with self._changed:
            return list(self._said)

    def wait_for(self, pattern: str, times: int = 1) -> list[re.Match[str]]:
        """Wait until so many lines match; gives all that do.

        :raises AssertionError: if it ends first, or a minute passes.
        """

        def found() -> list[re.Match[str]]:
            return [match for line in self._said if (match := re.search(pattern, line))]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times or self._ended, SECONDS)
            matches = found()
        assert len(matches) >= times, "\n".join(self._said)
        return matches

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does."""
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._said.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@attrs.frozen(kw_only=True)
class StripeCli:
    """The CLI with a home of its own; `base` is the address of the stand-in."""

    home: Path
    base: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self._command(arguments),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextlib.contextmanager
    def listening(self, *arguments: str) -> Iterator[Listening]:
        """`stripe listen` until the end of the block; ready when the block begins."""
        with subprocess.Popen(
            self._command(("listen", "--skip-update", *arguments)),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            listening = Listening(process)
            try:
                listening.wait_for("Ready!")
                yield listening
            finally:
                listening.stop()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(cli_binary()), *arguments, "--api-key", KEY, "--api-base", self.base, "--color", "off"]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1",
        }


@pytest.fixture
def stripe_cli(tmp_path: Path) -> Callable[[str], StripeCli]:
    """Points a CLI, with nothing configured, at an address."""
    return lambda base: StripeCli(home=tmp_path, base=base)
