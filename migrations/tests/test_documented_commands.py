"""The Supabase CLI's commands in the documents, compared with what the pinned CLI takes, and run."""

import re
import shlex
from pathlib import Path

import pytest

from features.harness.supabase_cli import supabase_cli
from features.real_parts import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"`(supabase (?:db|link|migration)[^`\n]*)`|^\$ (supabase [^#\n]*)", re.MULTILINE)
FLAG = re.compile(r"--[a-z][a-z-]*")


def documented() -> list[str]:
    """Every command of the Supabase CLI that some page names, without its comment."""
    found = {(one or two).strip() for page in PAGES for one, two in COMMAND.findall(page.read_text(encoding="utf-8"))}
    return sorted(found)


def test_the_pages_name_both_commands() -> None:
    """Linking comes before pushing, and some page shows both."""
    words = [shlex.split(command) for command in documented()]
    assert {("supabase", "link"), ("supabase", "db")} <= {tuple(one[:2]) for one in words}


@pytest.mark.parametrize("command", documented())
def test_each_documented_flag_is_one(command: str, tmp_path: Path) -> None:
    """The pinned CLI's own help lists it for that command; a flag that is deprecated is not in it."""
    words = shlex.split(command)[1:]
    subcommand = [word for word in words if not word.startswith("-")][: 2 if words[0] == "db" else 1]
    code, said = supabase_cli(tmp_path, *subcommand, "--help")
    assert 0 == code, said
    assert [] == [flag for flag in FLAG.findall(command) if not re.search(rf"^  {flag}\b", said, re.MULTILINE)]


def test_every_documented_push_goes_to_the_project(tmp_path: Path) -> None:
    """The CLI means the local stack unless it is said otherwise, and after `--remote` wants a linked project."""
    pushes = [command for command in documented() if command.startswith("supabase db push")]
    assert pushes
    assert [] == [command for command in pushes if "--remote" not in command]
    for command in pushes:
        code, said = supabase_cli(tmp_path, *shlex.split(command)[1:])
        assert (1, True) == (code, "Have you run supabase link?" in said), said
    assert "Target: local stack" in supabase_cli(tmp_path, "db", "push", "--yes")[1]
