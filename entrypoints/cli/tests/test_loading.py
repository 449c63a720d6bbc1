"""Commands import what they need when they run: help, completion and errors of usage need little, and say the same."""

import os
import re
import subprocess
import sys

import click
import pytest

from entrypoints.cli.main import COMMANDS, main
from features.real_parts import ROOT

NAMES = [name for commands in COMMANDS.values() for name in commands]
HEAVY = {"asyncpg", "litestar", "postgrest", "pydantic", "redis", "stripe", "supabase", "uvicorn"}
"""What the service needs, and no help."""


def imported_by(*arguments: str, **environment: str) -> set[str]:
    """The packages that `credence` imported when it ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('', *sys.modules, file=sys.stderr))\n"
        "from entrypoints.__main__ import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return {module.partition(".")[0] for module in done.stderr.split()}


def loaded(name: str) -> click.Command:
    """The command that runs by that name."""
    _, command, _ = main.resolve_command(click.Context(main), [name])
    assert command is not None
    return command


def test_help_imports_click_alone() -> None:
    """Of all packages; of ours, neither the domain nor an adapter."""
    found = imported_by("--help")
    assert {"click", "entrypoints"} == found & {"click", "entrypoints"}
    assert set() == found & (HEAVY | {"adapters", "attrs", "domain", "httpx", "jwt", "rich"})


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_imports_nothing_that_only_its_work_needs(name: str) -> None:
    """It knows its options, not how its work is done."""
    assert set() == imported_by(name, "--help") & HEAVY


def test_completion_imports_click_alone() -> None:
    """A shell asks at each press of the tab key."""
    found = imported_by(_CREDENCE_COMPLETE="bash_complete", COMP_WORDS="credence re", COMP_CWORD="1")
    assert set() == found & (HEAVY | {"adapters", "domain"})


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_listed_by_the_beginning_of_its_own_help(name: str) -> None:
    """However wide the terminal is."""
    command, listed = loaded(name), main.commands[name]
    assert name == command.name
    for width in (20, 45, 200):
        assert command.get_short_help_str(width) == listed.get_short_help_str(width)


def test_every_command_is_listed() -> None:
    """A command that a module of this package has, and the list lacks, could not be called."""
    modules = {
        path.stem  # the file of `credence` itself has the group of all
        for path in (ROOT / "entrypoints" / "cli").glob("*.py")
        if path.stem != "main"
        and {"@click.command", "@click.group"} & set(re.findall(r"@click\.\w+", path.read_text()))
    }
    assert set(COMMANDS) == modules
    for name in NAMES:
        loaded(name)
    commands = {
        name: command
        for module in modules
        for name, command in vars(sys.modules[f"entrypoints.cli.{module}"]).items()
        if isinstance(command, click.Command)
    }
    groups = [command for command in commands.values() if isinstance(command, click.Group)]
    within = [command for group in groups for command in group.commands.values()]
    assert set(NAMES) == {command.name for command in commands.values() if command not in within}


def test_a_command_that_does_not_exist_is_refused() -> None:
    """With exit code 2, as ever."""
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints", "nope"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (2, True) == (done.returncode, "Error: No such command 'nope'." in done.stderr)
